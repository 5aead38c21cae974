import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const sources = fileURLToPath(new URL("src", import.meta.url))

export default defineConfig({
  // A test that imports the library by its name has the sources, as the type checker has.
  resolve: {
    alias: [{ find: /^openclaw(\/(?:client|protocol|testing))?$/, replacement: `${sources}$1/index.ts` }]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    globalSetup: "test/packages.ts",
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    // What passed is not worth reading; what failed shows all that it printed.
    silent: "passed-only"
  }
})

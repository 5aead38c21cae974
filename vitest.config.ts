import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/packages.ts",
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    // What passed is not worth reading; what failed shows all that it printed.
    silent: "passed-only"
  }
})

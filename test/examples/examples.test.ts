/**
 * Every example runs and prints what its README says; it is short, and imports only what an app has.
 */
import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = join(root, "examples")
const run = promisify(execFile)

const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "main.ts")))
  .map(({ name }) => name)

const may =
  /^(?:openclaw(?:\/(?:client|protocol|testing))?|effect\/.+|@effect\/platform-node\/.+|node:.+|\.\.\/stateDir\.ts)$/

describe.concurrent("examples", { timeout: 60_000 }, () => {
  it.each(names)("%s prints what its README says", async (name) => {
    const readme = readFileSync(join(folder, name, "README.md"), "utf8")
    const stated = /## Output\n\n```text\n([^]*?)\n```/.exec(readme)?.[1]
    assert.isDefined(stated, `${name}/README.md has no output`)
    const { stderr, stdout } = await run(
      process.execPath,
      ["--import", "./tools/from-source.mjs", `examples/${name}/main.ts`],
      { cwd: root, env: { ...process.env, HOME: "/nonexistent", NODE_OPTIONS: "" } }
    )
    assert.strictEqual(stdout.trimEnd(), stated)
    assert.strictEqual(stderr, "")
  })

  it.each(names)("%s is short, and imports only what an app has", (name) => {
    const source = readFileSync(join(folder, name, "main.ts"), "utf8")
    assert.isAtMost(source.trimEnd().split("\n").length, 60)
    for (const [, from = ""] of source.matchAll(/ from "([^"]+)"/g)) assert.match(from, may)
  })

  it("are all in the list", () => {
    const list = readFileSync(join(folder, "README.md"), "utf8")
    for (const name of names) assert.include(list, `(${name}/main.ts)`)
  })
})

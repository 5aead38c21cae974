/**
 * The program under measurement, built when it is older than its source; and the machine that it is measured on.
 */
import { spawnSync } from "node:child_process"
import { cpSync, rmSync } from "node:fs"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

const root = new URL("../", import.meta.url)
const copy = new URL(`node_modules/.cache/openclaw-bench-${process.pid}/`, root)

/** What is measured: the program as a package has it. In a checkout it looks at each start whether a source is newer. */
export const program = fileURLToPath(new URL("bin/openclaw.js", copy))

export const build = Effect.sync(() => {
  const script = fileURLToPath(new URL("tools/build.mjs", root))
  const { status } = spawnSync(process.execPath, [script, "--cli", "--if-stale"], { stdio: "inherit" })
  if (status !== 0) throw new Error("the bundle could not be built")
  process.once("exit", () => rmSync(copy, { recursive: true, force: true }))
  for (const part of ["bin", "dist", "package.json"])
    cpSync(new URL(part, root), new URL(part, copy), { recursive: true })
})

export const machine = {
  cores: availableParallelism(),
  node: process.version,
  platform: `${process.platform} ${process.arch}`
}

/** The line above a table. */
export const machineLine = `${machine.cores} cores, Node ${machine.node}, ${machine.platform}`

/**
 * The program under measurement, built when it is older than its source; and the machine that it is measured on.
 */
import { spawnSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

export const build = Effect.sync(() => {
  const script = fileURLToPath(new URL("../tools/build.mjs", import.meta.url))
  const { status } = spawnSync(process.execPath, [script, "--cli", "--if-stale"], { stdio: "inherit" })
  if (status !== 0) throw new Error("the bundle could not be built")
})

export const machine = {
  cores: availableParallelism(),
  node: process.version,
  platform: `${process.platform} ${process.arch}`
}

/** The line above a table. */
export const machineLine = `${machine.cores} cores, Node ${machine.node}, ${machine.platform}`

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A folder that goes with the program, so that each run of an example begins anew. A real app names one that stays: its conversations are in it. */
export const stateDir = mkdtempSync(join(tmpdir(), "openclaw-example-"))
process.once("exit", () => rmSync(stateDir, { recursive: true, force: true }))

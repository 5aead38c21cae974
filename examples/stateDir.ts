import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A new folder, so that each run of an example begins anew. A real app names one that stays: its conversations are in it. */
export const stateDir = mkdtempSync(join(tmpdir(), "openclaw-example-"))

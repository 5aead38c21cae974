/**
 * Preloaded into a Gateway under test: at SIGURG it writes what it has loaded and what it holds, into the folder that `?into=` of
 * this module's own address names. Needs `--expose-gc`.
 */
import { renameSync, writeFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { join } from "node:path"
import { writeHeapSnapshot } from "node:v8"
import { onScript } from "../cli/onScript.ts"

const into = new URL(import.meta.url).searchParams.get("into")
const files = new Set<string>()
const builtins = new Set<string>()
onScript((url) => void files.add(url))
registerHooks({
  load: (url, context, next) => {
    ;(url.startsWith("file:") ? files : builtins).add(url)
    return next(url, context)
  }
})

// Listening for a signal is a handle too, so it is counted before there is one.
const own = process.getActiveResourcesInfo().length
if (into !== null) {
  process.on("SIGURG", () => {
    globalThis.gc?.()
    const { heapUsed } = process.memoryUsage()
    const handles = process.getActiveResourcesInfo().slice(own)
    // Writing it collects once more: only what is reachable is in it.
    writeHeapSnapshot(join(into, "heap"))
    writeFileSync(
      join(into, "written"),
      JSON.stringify({ builtins: builtins.size, files: [...files], handles, heapUsed })
    )
    renameSync(join(into, "written"), join(into, "record"))
  })
}

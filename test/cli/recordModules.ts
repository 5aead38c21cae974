/**
 * Preloaded into a process under test: when it exits, what it loaded is in the file that `?into=` of this
 * module's own address names, one URL a line.
 */
import { writeFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { onScript } from "./onScript.ts"

const loaded: Array<string> = []
onScript((url) => void loaded.push(url))
registerHooks({
  load: (url, context, next) => {
    loaded.push(url)
    return next(url, context)
  }
})
const into = new URL(import.meta.url).searchParams.get("into")
if (into !== null) process.on("exit", () => writeFileSync(into, loaded.join("\n")))

/**
 * Preloaded into a process under test: when it exits, what it loaded is in the file that `?into=` of this
 * module's own address names, one URL a line.
 */
import { writeFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { pathToFileURL } from "node:url"
import vm from "node:vm"

const loaded: Array<string> = []
// Files of the short way are not loaded by Node's loader (`src/cli/door/compiled.ts`).
vm.Script = class extends vm.Script {
  constructor(code: string, options: vm.ScriptOptions) {
    super(code, options)
    if (options.filename !== undefined) loaded.push(pathToFileURL(options.filename).href)
  }
}
registerHooks({
  load: (url, context, next) => {
    loaded.push(url)
    return next(url, context)
  }
})
const into = new URL(import.meta.url).searchParams.get("into")
if (into !== null) process.on("exit", () => writeFileSync(into, loaded.join("\n")))

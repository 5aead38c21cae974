/**
 * For preloads that tell what a process loads: files of the short ways are not loaded by Node's loader
 * (`src/cli/door/compiled.ts`).
 */
import { pathToFileURL } from "node:url"
import vm from "node:vm"

/** Tells the URL of each file that becomes a script from here on. */
export const onScript = (tell: (url: string) => void): void => {
  vm.Script = class extends vm.Script {
    constructor(code: string, options: vm.ScriptOptions) {
      super(code, options)
      if (options.filename !== undefined) tell(pathToFileURL(options.filename).href)
    }
  }
}

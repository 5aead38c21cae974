/**
 * Loads a bundle of CommonJS files together with the code that V8 made of them in earlier runs.
 *
 * Node keeps the code of what is compiled while a file loads. Most functions are compiled when they are first called, anew in
 * each run, and for a command that asks once and ends that is a fourth of all its time, for the start of a Gateway a sixth. So this
 * keeps the code when a command has done its work, a Gateway's when it has started. It lies where Node keeps its own, in the folder
 * that only this user writes to.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { createRequire, getCompileCacheDir } from "node:module"
import { dirname, join } from "node:path"
import { constants, Script } from "node:vm"

interface Kept {
  /** The commands whose functions are in it. */
  readonly commands: ReadonlyArray<string>
  readonly code: Buffer
}

/** A line with the commands, then the code. */
const read = (file: string): Kept | undefined => {
  try {
    const bytes = readFileSync(file)
    const end = bytes.indexOf("\n")
    return { commands: bytes.toString("latin1", 0, end).split(","), code: bytes.subarray(end + 1) }
  } catch {
    return undefined
  }
}

/** At once, so that nobody reads a half. What cannot be written is compiled again. */
const write = (file: string, { code, commands }: Kept): void => {
  const draft = `${file}.${process.pid}`
  try {
    writeFileSync(draft, Buffer.concat([Buffer.from(`${commands.join(",")}\n`, "latin1"), code]), { mode: 0o600 })
    renameSync(draft, file)
  } catch {
    return
  }
}

/** What the entry of a bundle exports that does not end by itself. */
interface Keeping {
  /** Sets V8's own flags and gives what undoes that: code that was made under others is refused. */
  readonly plain: () => () => void
  readonly hasStarted: () => boolean
  readonly onSettled: (keep: () => void) => void
}

interface Module {
  exports: { readonly keeping?: Keeping }
}

type Body = (
  exports: object,
  require: (id: string) => unknown,
  module: Module,
  filename: string,
  dirname: string
) => void

/** V8 itself only looks at a file's length, so a file is kept by a name that says what is in it. */
const isNamedByContent = (name: string): boolean => /-[\w-]{8}\.cjs$/.test(name)

/** The exports of `folder/entry`, for a run of `command`. */
export const load = (folder: string, entry: string, command: string): object => {
  const cache = getCompileCacheDir()
  const modules = new Map<string, Module>()
  const outside = createRequire(join(folder, entry))
  const unkept: Array<() => void> = []

  const keeping = () => modules.get(entry)?.exports.keeping

  const compile = (name: string): Body => {
    const filename = join(folder, name)
    const code = `(function(exports,require,module,__filename,__dirname){${readFileSync(filename, "latin1")}\n})`
    const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
    if (cache === undefined || !isNamedByContent(name)) {
      return new Script(code, { filename, importModuleDynamically }).runInThisContext()
    }
    const file = join(cache, name)
    const kept = read(file)
    const again = keeping()?.plain()
    const script = new Script(code, { filename, importModuleDynamically, cachedData: kept?.code })
    again?.()
    const commands = script.cachedDataRejected === true ? [] : (kept?.commands ?? [])
    if (!commands.includes(command)) {
      unkept.push(() => write(file, { commands: [...commands, command], code: script.createCachedData() }))
    }
    return script.runInThisContext()
  }

  const require = (id: string): unknown => {
    if (!id.startsWith("./")) return outside(id)
    const name = id.slice(2)
    const known = modules.get(name)
    if (known !== undefined) return known.exports
    const module: Module = { exports: {} }
    modules.set(name, module)
    compile(name)(module.exports, require, module, join(folder, name), dirname(join(folder, name)))
    return module.exports
  }

  const keep = () => {
    const due = unkept.splice(0)
    if (due.length === 0) return
    const again = keeping()?.plain()
    for (const write of due) write()
    again?.()
  }
  process.on("exit", (code) => {
    // What failed or was stopped early would leave out what it does otherwise.
    if (code === 0 && keeping()?.hasStarted() !== false) keep()
  })
  require(`./${entry}`)
  // Who runs for days may end by being killed.
  keeping()?.onSettled(keep)
  return modules.get(entry)?.exports ?? {}
}

/**
 * Which processes listen on a port of this machine, as far as this user may know.
 */
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Program from "../../layers/service/run.ts"
import { Environment } from "../Environment.ts"

export interface Holder {
  /** Unknown for another user's process. */
  readonly pid: number | undefined
  /** The program's short name: its arguments may hold secrets. */
  readonly command: string | undefined
}

/** In the kernel's table: listening. */
const LISTEN = "0A"

/** The inodes of the sockets that listen on a port, from a table such as `/proc/net/tcp`. */
export const inodesIn = (table: string, port: number): ReadonlyArray<string> =>
  table.split("\n").flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    const hex = local?.slice(local.lastIndexOf(":") + 1) ?? ""
    return state === LISTEN && inode !== undefined && Number.parseInt(hex, 16) === port ? [inode] : []
  })

const fromProc = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, tables: string, port: number) {
  const inodes = new Set(inodesIn(tables, port))
  if (inodes.size === 0) return []
  const pids = (yield* fs.readDirectory("/proc")).filter((name) => /^\d+$/.test(name))
  const holds = Effect.fnUntraced(function* (pid: string) {
    const open = yield* Effect.orElseSucceed(fs.readDirectory(`/proc/${pid}/fd`), () => [])
    for (const each of open) {
      const link = yield* Effect.orElseSucceed(fs.readLink(`/proc/${pid}/fd/${each}`), () => "")
      if (inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? "")) return true
    }
    return false
  })
  const found = yield* Effect.filter(pids, holds, { concurrency: 8 })
  const holders = yield* Effect.forEach(found, (pid) =>
    Effect.map(
      Effect.orElseSucceed(fs.readLink(`/proc/${pid}/exe`), () => undefined),
      (path): Holder => ({ pid: Number(pid), command: path === undefined ? undefined : basename(path) })
    )
  )
  return holders.length === 0 ? [{ pid: undefined, command: undefined }] : holders
})

/** What `lsof -F pc` prints: a line `p<pid>`, then a line `c<command>`. */
export const holdersIn = (printed: string): ReadonlyArray<Holder> => {
  const found = new Map<number, Holder>()
  let pid: number | undefined
  for (const line of printed.split("\n")) {
    if (/^p\d+$/.test(line)) {
      pid = Number(line.slice(1))
      found.set(pid, { pid, command: undefined })
    } else if (line.startsWith("c") && pid !== undefined) found.set(pid, { pid, command: line.slice(1) })
  }
  return [...found.values()]
}

/** Nobody where nobody listens; `undefined` where this machine does not tell. */
export const holdersOf = Effect.fn("cli.holdersOf")(function* (port: number) {
  const fs = yield* FileSystem.FileSystem
  const { variables } = yield* Environment
  const table = (name: string) => Effect.orElseSucceed(fs.readFileString(`/proc/net/${name}`), () => "")
  const tables = `${yield* table("tcp")}\n${yield* table("tcp6")}`
  if (tables.trim() !== "") return yield* Effect.orElseSucceed(fromProc(fs, tables, port), () => undefined)
  const run = Program.make(yield* ChildProcessSpawner, variables)
  return yield* run("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"]).pipe(
    // It fails where it finds nothing.
    Effect.map((ran) => (ran === "missing" || ran.code > 1 ? undefined : holdersIn(ran.stdout))),
    Effect.orElseSucceed(() => undefined)
  )
})

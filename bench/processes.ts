/**
 * Processes as the kernel counts them. Linux only: elsewhere there is nothing to read, and the answer is `undefined`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

interface Process {
  readonly pid: number
  readonly parent: number
  readonly rssKb: number
}

const field = (status: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0)

const all = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const pids = (yield* fs.readDirectory("/proc")).filter((name) => /^\d+$/.test(name))
  const statuses = yield* Effect.forEach(pids, (pid) =>
    // A process may end while the list is read.
    Effect.orElseSucceed(fs.readFileString(`/proc/${pid}/status`), () => "")
  )
  return statuses.map((status): Process => ({
    pid: field(status, "Pid"),
    parent: field(status, "PPid"),
    rssKb: field(status, "VmRSS")
  }))
})

/** Resident memory of a process and everything below it, in MiB. Shared pages count in each process. */
export const treeMemory = Effect.fnUntraced(function* (root: number) {
  const processes = yield* Effect.orElseSucceed(all, () => [])
  const tree = new Set([root])
  for (let size = 0; size !== tree.size;) {
    size = tree.size
    for (const { pid, parent } of processes) if (tree.has(parent)) tree.add(pid)
  }
  const kb = processes.filter(({ pid }) => tree.has(pid)).reduce((sum, { rssKb }) => sum + rssKb, 0)
  return kb === 0 ? undefined : kb / 1024
})

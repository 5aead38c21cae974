/**
 * Processes as the kernel counts them. Linux only: elsewhere there is nothing to read, and the answer is `undefined`.
 */
import * as Fs from "node:fs"

/** Of the clock that the kernel counts processor time by; the same on every Linux. */
const TICK_MS = 10

const read = (path: string): string => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    // A process may end at any time, and other systems have none of this.
    return ""
  }
}

const list = (path: string): ReadonlyArray<string> => {
  try {
    return Fs.readdirSync(path)
  } catch {
    return []
  }
}

const parse = (text: string): ReadonlyArray<number> => text.split(" ").filter(Boolean).map(Number)

/** A process and everything below it. */
const tree = (root: number): ReadonlyArray<number> => {
  const pids = [root]
  for (const pid of pids) {
    for (const thread of list(`/proc/${pid}/task`)) {
      pids.push(...parse(read(`/proc/${pid}/task/${thread}/children`)))
    }
  }
  return pids
}

/** Resident memory of a process and everything below it, in MB (10^6 bytes). Shared pages count in each process. */
export const treeMemory = (root: number): number | undefined => {
  const kib = tree(root)
    .map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0))
    .reduce((sum, rss) => sum + rss, 0)
  return kib === 0 ? undefined : (kib * 1024) / 1e6
}

/** Fields of `/proc/<pid>/stat` after the name, which may itself have blanks: the first is the third of the manual. */
const times = (pid: number | "self") => {
  const stat = read(`/proc/${pid}/stat`)
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = parse(stat.slice(stat.lastIndexOf(")") + 1)).slice(
    11,
    15
  )
  return { own: (user + system) * TICK_MS, ended: (childUser + childSystem) * TICK_MS, isKnown: stat !== "" }
}

/** Milliseconds of processor time that a process, everything below it and its ended children have taken so far. */
export const treeCpu = (root: number): number | undefined => {
  const all = tree(root).map(times)
  return all[0]?.isKnown === true ? all.reduce((sum, { ended, own }) => sum + own + ended, 0) : undefined
}

/** Milliseconds of processor time of all children of this process that have ended. */
export const endedChildrenCpu = (): number | undefined => {
  const { ended, isKnown } = times("self")
  return isKnown ? ended : undefined
}

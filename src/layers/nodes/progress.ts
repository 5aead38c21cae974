/**
 * What a command says before it answers, in its order. Pure.
 *
 * Requests of one connection are served side by side, so chunks may come out of order. One that came before is dropped, and
 * so is what is too far ahead to wait for.
 */

/** Chunks kept until the one before them comes. */
const MAX_AHEAD = 64

export interface Progress {
  /** The chunks whose turn this one brings; `undefined` when it is dropped. */
  readonly accept: (seq: number, chunk: string) => ReadonlyArray<string> | undefined
}

export const make = (): Progress => {
  const ahead = new Map<number, string>()
  let next = 0
  return {
    accept: (seq, chunk) => {
      if (seq < next || seq >= next + MAX_AHEAD || ahead.has(seq)) return undefined
      ahead.set(seq, chunk)
      const due: Array<string> = []
      for (let found = ahead.get(next); found !== undefined; found = ahead.get(next)) {
        ahead.delete(next++)
        due.push(found)
      }
      return due
    }
  }
}

/**
 * When a process gives back what its work has left. V8 collects because something is allocated, so what lies there when the work
 * ends stays for hours. A whole collection stands in everybody's way for a tenth of a second, and longer for a large heap: it has to
 * wait until nobody is there, and to be worth it.
 */

/** Share of a second that the event loop may be busy for that second to count as quiet: an idle Gateway needs a hundredth. */
const QUIET_SHARE = 0.05

/** Quiet seconds, one after the other, before a collection. After the start one is enough: whoever waited has been answered. */
const QUIET_SECONDS = 20
const QUIET_SECONDS_FIRST = 1

/** Bytes that the heap has to be larger than when it was smallest. */
const WORTH_BYTES = 8 * 1024 * 1024

/** One second of a process. */
export interface Second {
  /** Share of it that the event loop was busy. */
  readonly busy: number
  /** What the heap takes, free pages and all. */
  readonly heapBytes: number
}

export interface Resting {
  readonly quietSeconds: number
  /** The smallest heap since the last collection of ours; before the first one there is none. */
  readonly leastBytes: number | undefined
  /** Now is the time to collect. */
  readonly isDue: boolean
}

export const begin: Resting = { quietSeconds: 0, leastBytes: undefined, isDue: false }

/** What one more second says. After a collection nothing is due before the heap has grown again. */
export const next = ({ leastBytes, quietSeconds }: Resting, { busy, heapBytes }: Second): Resting => {
  const quiet = busy < QUIET_SHARE ? quietSeconds + 1 : 0
  const isDue =
    leastBytes === undefined
      ? quiet >= QUIET_SECONDS_FIRST
      : quiet >= QUIET_SECONDS && heapBytes >= leastBytes + WORTH_BYTES
  return {
    quietSeconds: quiet,
    leastBytes: isDue ? heapBytes : leastBytes === undefined ? undefined : Math.min(leastBytes, heapBytes),
    isDue
  }
}

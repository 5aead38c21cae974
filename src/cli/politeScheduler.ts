/**
 * A scheduler that hands the event loop back in time. Effect's own runs all that is ready before sockets and timers get a
 * turn, and everybody's requests of a moment can take a tenth of a second together; this one stops after some milliseconds and
 * goes on behind what has come in meanwhile.
 *
 * Its order is that of Effect's own: a dispatcher's tasks by priority and age, what a task schedules after what was there
 * before, dispatchers in the order in which they became ready.
 *
 * For whoever owns the process. An app that embeds the Gateway decides for itself.
 */
import type { Fiber } from "effect/Fiber"
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"

export interface Pace {
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number
  /** Calls back once the event loop has looked after everything else. */
  readonly defer: (resume: () => void) => void
  /** Milliseconds after which the loop is handed back; a task that has begun is not cut. */
  readonly budgetMs: number
}

interface Waiting {
  readonly priority: number
  readonly task: () => void
}

class Dispatcher implements SchedulerDispatcher {
  readonly #ready: (dispatcher: Dispatcher) => void
  /** In the order in which they are to run. */
  #waiting: Array<Waiting> = []
  /** What runs before all that waits, from `#next` on. */
  #begun: Array<Waiting> = []
  #next = 0
  #isReady = false

  constructor(ready: (dispatcher: Dispatcher) => void) {
    this.#ready = ready
  }

  scheduleTask(task: () => void, priority: number): void {
    const waiting = this.#waiting
    let index = waiting.length
    while (index > 0 && waiting[index - 1]!.priority > priority) index--
    if (index === waiting.length) waiting.push({ priority, task })
    else waiting.splice(index, 0, { priority, task })
    if (this.#isReady) return
    this.#isReady = true
    this.#ready(this)
  }

  /** Runs what waits now, or what is left of it; `false` when it was stopped before the end. */
  run(isOver: () => boolean): boolean {
    if (this.#next === this.#begun.length) {
      this.#begun = this.#waiting
      this.#next = 0
      this.#waiting = []
      this.#isReady = false
    }
    while (this.#next < this.#begun.length) {
      this.#begun[this.#next++]!.task()
      if (isOver() && this.#next < this.#begun.length) return false
    }
    // A task holds on to its fiber, and this lives as long as the fiber that it belongs to.
    this.#begun = none
    this.#next = 0
    return true
  }

  flush(): void {
    while (this.#next < this.#begun.length || this.#waiting.length > 0) this.run(never)
  }
}

const none: Array<Waiting> = []
const never = () => false

export const make = ({ budgetMs, defer, now }: Pace): Scheduler => {
  /** The oldest first. */
  let ready: Array<Dispatcher> = []
  let isDeferred = false
  let endsAt = 0
  let isOver = false

  const look = () => (isOver = now() >= endsAt)

  const turn = () => {
    const due = ready
    let done = 0
    ready = []
    endsAt = now() + budgetMs
    isOver = false
    try {
      for (const dispatcher of due) {
        if (isOver || !dispatcher.run(look)) break
        done++
      }
    } finally {
      if (done < due.length) ready = due.slice(done).concat(ready)
      isDeferred = ready.length > 0
      if (isDeferred) defer(turn)
    }
  }

  const onReady = (dispatcher: Dispatcher) => {
    ready.push(dispatcher)
    if (isDeferred) return
    isDeferred = true
    defer(turn)
  }

  return {
    executionMode: "async",
    shouldYield: (fiber: Fiber<unknown, unknown>) => fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield,
    makeDispatcher: () => new Dispatcher(onReady)
  }
}

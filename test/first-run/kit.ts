/**
 * Onboarding in this process, at a terminal of the test's own: keys go in, what is shown comes out.
 */
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Terminal from "effect/Terminal"
import { MakeTerminal } from "../../src/cli/asking.ts"
import * as Lifetime from "../../src/cli/lifetime.ts"
import { program } from "../../src/cli/program.ts"
import { codeOf, environment } from "../cli/kit.ts"

export interface Setting {
  readonly home: string
  readonly variables?: Readonly<Record<string, string>>
}

type Key = Terminal.UserInput

const key = (name: string, ctrl = false, input?: string): Key => ({
  input: Option.fromUndefinedOr(input),
  key: { name, ctrl, meta: false, shift: false }
})

/** What a person sees, and the keys that they press. */
class Screen {
  private text = ""
  private seen = 0
  private readonly waiting = new Set<() => void>()
  private reader: { readonly queue: Queue.Queue<Key, Cause.Done>; readonly quits: (key: Key) => boolean } | undefined

  readonly show = (text: string): void => {
    this.text += stripVTControlCharacters(text)
    for (const look of this.waiting) look()
  }

  readonly make = (quits: (key: Key) => boolean) =>
    Effect.sync(() =>
      Terminal.make({
        columns: Effect.succeed(400),
        rows: Effect.succeed(50),
        size: Effect.die("a terminal that stays as it is"),
        readLine: Effect.never,
        display: (text) => Effect.sync(() => this.show(text)),
        readInput: Effect.map(Queue.make<Key, Cause.Done>(), (queue) => {
          this.reader = { queue, quits }
          return queue
        })
      })
    )

  /** Everything so far. */
  get all(): string {
    return this.text
  }

  /** Waits until something is shown that was not waited for before. */
  sees(wanted: string): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const look = () => {
        const at = this.text.indexOf(wanted, this.seen)
        if (at === -1) return
        this.seen = at + wanted.length
        this.waiting.delete(look)
        resume(Effect.void)
      }
      this.waiting.add(look)
      look()
      return Effect.sync(() => this.waiting.delete(look))
    }).pipe(
      Effect.timeoutOrElse({
        duration: "20 seconds",
        orElse: () => Effect.die(`"${wanted}" did not come after:\n${this.text.slice(this.seen - 200)}`)
      })
    )
  }

  private readonly press = (pressed: Key) =>
    Effect.sync(() => {
      if (this.reader === undefined) return
      Queue.offerUnsafe(this.reader.queue, pressed)
      if (this.reader.quits(pressed)) Queue.endUnsafe(this.reader.queue)
    })

  /** Keys by their names: `down`, `enter`, `escape`, `C-c`. */
  readonly keys = (...names: ReadonlyArray<string>) =>
    Effect.forEach(names, (name) => this.press(name.startsWith("C-") ? key(name.slice(2), true) : key(name)), {
      discard: true
    })

  /** Types over what stands there, and Enter. */
  readonly types = (text: string) =>
    Effect.andThen(
      this.keys("C-u"),
      Effect.andThen(
        Effect.forEach([...text], (char) => this.press(key(char, false, char)), { discard: true }),
        this.keys("enter")
      )
    )

  /** A question, and the keys that answer it. */
  readonly answer = (question: string, ...names: ReadonlyArray<string>) =>
    Effect.andThen(this.sees(question), this.keys(...names))

  readonly write = (question: string, text: string) => Effect.andThen(this.sees(question), this.types(text))
}

/** Starts `openclaw <given>` at a terminal. `ended` gives the exit code, `stop` is Ctrl-C between two questions. */
export const begin = Effect.fnUntraced(function* (setting: Setting, ...given: ReadonlyArray<string>) {
  const screen = new Screen()
  const lifetime = Lifetime.make()
  const show = (...values: ReadonlyArray<unknown>) => screen.show(`${values.map(String).join(" ")}\n`)
  const fiber = yield* program({
    arguments: given,
    lifetime,
    environment: environment({ ...setting, interactive: true })
  }).pipe(
    Effect.provideService(Console.Console, { ...globalThis.console, log: show, error: show }),
    Effect.provideService(MakeTerminal, screen.make),
    Effect.forkScoped
  )
  const ended = Effect.map(Fiber.await(fiber), (exit) => codeOf(exit, lifetime))
  return { screen, ended, stop: Effect.andThen(Fiber.interrupt(fiber), ended) }
})

/** The configuration as it lies there; `undefined` without one. */
export const stored = ({ home }: Setting): any => {
  const file = join(home, ".openclaw", "openclaw.json")
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined
}

/** Listens on a port of its own until the scope closes. */
export const listener = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(Effect.succeed({ port, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** A port that nobody had a moment ago. */
export const freePort = Effect.map(Effect.scoped(listener), ({ port }) => port)

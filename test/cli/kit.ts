/**
 * The CLI in this process: a home of its own, what it printed, its exit code; and a Gateway on a real socket that answers
 * from a map.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Environment } from "../../src/cli/Environment.ts"
import * as Lifetime from "../../src/cli/lifetime.ts"
import { program } from "../../src/cli/program.ts"
import { fakeGateway, type Frame, type Peer } from "../client/fakeGateway.ts"

/** A folder that goes away with the scope. */
export const home: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-cli-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

export interface Setting {
  readonly home: string
  readonly variables?: Readonly<Record<string, string>>
  readonly terminal?: (text: string) => void
  /** Somebody sits at a terminal and can be asked. */
  readonly interactive?: boolean
  /** Path of the program, for commands that start another copy of it. */
  readonly entry?: string
}

export interface Printed {
  readonly stdout: string
  readonly stderr: string
}

export interface Ended extends Printed {
  readonly code: number
}

export const environment = (setting: Setting): Environment["Service"] => ({
  variables: setting.variables ?? {},
  home: setting.home,
  cwd: setting.home,
  pid: process.pid,
  execPath: process.execPath,
  entry: setting.entry ?? "openclaw",
  interactive: setting.interactive === true,
  terminal: setting.terminal
})

/** What was printed, as it is printed. */
export class Recorder {
  readonly out: Array<string> = []
  readonly err: Array<string> = []
  private waiting: Array<() => void> = []

  private add(to: Array<string>, values: ReadonlyArray<unknown>) {
    to.push(values.map(String).join(" "))
    for (const resume of this.waiting.splice(0)) resume()
  }
  get console(): Console.Console {
    return {
      ...globalThis.console,
      log: (...values: ReadonlyArray<unknown>) => this.add(this.out, values),
      error: (...values: ReadonlyArray<unknown>) => this.add(this.err, values)
    }
  }
  get printed(): Printed {
    return { stdout: this.out.join("\n"), stderr: this.err.join("\n") }
  }
  /** Waits until what was printed has what `read` looks for. */
  until<A>(read: (printed: Printed) => A | undefined): Effect.Effect<A> {
    return Effect.callback<A>((resume) => {
      const look = () => {
        const value = read(this.printed)
        if (value === undefined) this.waiting.push(look)
        else resume(Effect.succeed(value))
      }
      look()
    })
  }
}

/** The exit code that a command which ended so leaves. */
export const codeOf = (exit: Exit.Exit<unknown, unknown>, lifetime: Lifetime.Lifetime["Service"]): number => {
  let code = Number.NaN
  Lifetime.teardown(lifetime)(exit, (value) => {
    code = value
  })
  return code
}

/** Starts a command that runs on; `stop` tells it to stop, as a signal does, and waits for its end. */
export const start = Effect.fnUntraced(function* (setting: Setting, ...given: ReadonlyArray<string>) {
  const recorder = new Recorder()
  const lifetime = Lifetime.make()
  const fiber = yield* program({ arguments: given, environment: environment(setting), lifetime }).pipe(
    Effect.provideService(Console.Console, recorder.console),
    Effect.forkScoped
  )
  const ended = Effect.map(Fiber.await(fiber), (exit): Ended => ({ ...recorder.printed, code: codeOf(exit, lifetime) }))
  return {
    printed: () => recorder.printed,
    until: <A>(read: (printed: Printed) => A | undefined) => recorder.until(read),
    ended,
    stop: Effect.andThen(Fiber.interrupt(fiber), ended)
  }
})

/** Runs one command to its end. */
export const run = (setting: Setting, ...given: ReadonlyArray<string>): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(setting, ...given), ({ ended }) => ended))

class Refused extends Schema.TaggedError<Refused>()("Refused", { error: Schema.Unknown }) {}

type Answer = unknown
/** Answers a request's params; a thrown value is the error that is sent instead. */
export type Answers = { readonly [method: string]: (params: any, peer: Peer, frame: Frame) => Answer }

/** Sent when a handler has answered by itself. */
export const answered = Symbol("answered")

/** A Gateway that lets everybody in and answers from a map. Records what it was asked. */
export const gateway = Effect.fnUntraced(function* (answers: Answers, hello: Record<string, unknown> = {}) {
  const fake = yield* fakeGateway
  const requests: Array<Frame> = []
  const connects: Array<Frame> = []
  const serve = Effect.fnUntraced(function* (peer: Peer) {
    connects.push(yield* peer.welcome(hello))
    while (true) {
      const frame = yield* peer.next
      requests.push(frame)
      const handler = answers[frame.method]
      if (handler === undefined) {
        yield* peer.refuse(frame.id, { code: "INVALID_REQUEST", message: `unknown method: ${frame.method}` })
        continue
      }
      yield* Effect.try({
        try: () => handler(frame.params, peer, frame),
        catch: (error) => new Refused({ error })
      }).pipe(
        Effect.matchEffect({
          onFailure: ({ error }) => peer.refuse(frame.id, error),
          onSuccess: (value) => (value === answered ? Effect.void : peer.answer(frame.id, value))
        })
      )
    }
  })
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(fake.accept, (peer) => Effect.forkScoped(serve(peer)))))
  return {
    url: fake.endpoint,
    requests,
    connects,
    /** What a command needs to talk to it. */
    flags: ["--url", fake.endpoint, "--token", "a-token-for-tests"] as const
  }
})

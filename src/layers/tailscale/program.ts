/**
 * The system's `tailscale` program: one question and its answer, and one that runs for as long as its claim is held.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { TailscaleUnavailable } from "../../services/Tailscale.ts"
import { ran } from "../ranProgram.ts"
import { oneLine, refusal } from "./answers.ts"

/** In PATH, and where the app of macOS has it. */
export const PROGRAMS = ["tailscale", "/Applications/Tailscale.app/Contents/MacOS/Tailscale"]

const KILL_GRACE = "500 millis"

export interface Held {
  /** What it has printed so far, the end of it. */
  readonly said: Effect.Effect<string>
  /** Waits until it ended by itself. */
  readonly ended: Effect.Effect<void>
}

export interface Program {
  /** Its stdout; `timeoutMs` for all of it. An exit code other than 0 is a refusal with what it wrote. */
  readonly ask: (args: ReadonlyArray<string>, timeoutMs: number) => Effect.Effect<string, TailscaleUnavailable>
  /** Runs it until the scope closes, or this process ends in whatever way. */
  readonly hold: (args: ReadonlyArray<string>) => Effect.Effect<Held, TailscaleUnavailable, Scope.Scope>
}

/**
 * Runs a program and ends it when stdin does, which it does when this process is gone: `tailscale serve` by itself would go on,
 * and its claim with it. What is asked to end and does not is made to.
 */
const GUARD = `exec 3<&0
"$@" 3<&- </dev/null &
child=$!
end() { kill -TERM "$child" 2>/dev/null; sleep 3; kill -KILL "$child" 2>/dev/null; }
(while read -r _; do :; done; end) <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
kill -KILL "$watch" 2>/dev/null
exit "$status"`

const missing = ({ reason }: PlatformError): boolean => reason._tag === "NotFound"

const unstartable = (error: PlatformError) =>
  missing(error)
    ? new TailscaleUnavailable({ reason: "not-installed", detail: "there is no `tailscale` program" })
    : new TailscaleUnavailable({
        reason: "failed",
        detail: `\`tailscale\` cannot be started (${oneLine(error.message)})`
      })

/** Its texts are read in English. */
const environment = { env: { LC_ALL: "C" }, extendEnv: true, forceKillAfter: KILL_GRACE } as const

export const make = Effect.fnUntraced(function* (programs: ReadonlyArray<string> = PROGRAMS) {
  const spawner = yield* ChildProcessSpawner
  /** The one that is there. */
  const found = yield* Ref.make<string | undefined>(undefined)

  const once = (program: string, args: ReadonlyArray<string>) =>
    ran(spawner, ChildProcess.make(program, args, { ...environment, stdin: "ignore", detached: false })).pipe(
      Effect.tap(Ref.set(found, program))
    )

  const attempt = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
    const known = yield* Ref.get(found)
    const candidates = known === undefined ? programs : [known]
    return yield* Effect.firstSuccessOf(candidates.map((program) => once(program, args)))
  })

  const ask = Effect.fnUntraced(function* (args: ReadonlyArray<string>, timeoutMs: number) {
    const answer = yield* attempt(args).pipe(Effect.mapError(unstartable), Effect.timeoutOption(timeoutMs))
    if (Option.isNone(answer)) {
      const detail = `\`tailscale ${args[0] ?? ""}\` did not answer within ${timeoutMs / 1000} s`
      return yield* new TailscaleUnavailable({ reason: "no-answer", detail })
    }
    const { code, stderr, stdout } = answer.value
    return code === 0 ? stdout : yield* refusal(stderr.trim() === "" ? stdout : stderr)
  })

  const hold = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
    const program = (yield* Ref.get(found)) ?? programs[0] ?? "tailscale"
    const child = yield* Effect.mapError(
      spawner.spawn(
        ChildProcess.make("/bin/sh", ["-c", GUARD, "sh", program, ...args], {
          ...environment,
          // Never written to: its end is the sign.
          stdin: { stream: "pipe", endOnDone: false },
          // A stopped claim has the guard's own grace first.
          forceKillAfter: "5 seconds",
          detached: false
        })
      ),
      unstartable
    )
    let said = ""
    yield* child.all.pipe(
      Stream.decodeText,
      Stream.runForEach((chunk) => Effect.sync(() => (said = (said + chunk).slice(-4000)))),
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    return { said: Effect.sync(() => said), ended: Effect.ignore(child.exitCode) } satisfies Held as Held
  })

  return { ask, hold } satisfies Program as Program
})

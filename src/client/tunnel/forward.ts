/**
 * One run of `ssh`: a generation of a tunnel.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { SshUnreachable, SshUnusable, type TunnelError, type TunnelSpec } from "../../services/TunnelManager.ts"
import { printable } from "../errors.ts"
import { BOUND_MARK, sshArgs } from "./args.ts"
import { diagnose, isListening, isOld, isOpened, isOverAnother, isRefused, tail } from "./diagnosis.ts"
import * as IdentityFile from "./identityFile.ts"

export interface Forward {
  /** Waits until the way to the host is open. */
  readonly opened: Effect.Effect<void>
  /** Waits until ssh has logged in and holds the local port itself. */
  readonly bound: Effect.Effect<void>
  /** Waits until ssh ended by itself, and fails with the reason. */
  readonly ended: Effect.Effect<never, TunnelError>
}

export type OpenForward = (spec: TunnelSpec, connectSeconds: number) => Effect.Effect<Forward, TunnelError, Scope.Scope>

/** Between being told to end and being made to: a stopped process hears nothing. */
const KILL_GRACE = "500 millis"
/** What ssh wrote last may still be on its way when it has ended; a descendant may hold the pipe for longer. */
const DRAIN_GRACE = "500 millis"

export interface ForwardParts {
  readonly spawner: ChildProcessSpawner["Service"]
  readonly fs: FileSystem.FileSystem
  /** The system's `ssh` when left out. */
  readonly program?: string | undefined
}

/** Starts the program. The scope's end ends it and what it started. */
export const make = ({ fs, program = "ssh", spawner }: ForwardParts): OpenForward => {
  let old = false
  const tolerated = new Set<TunnelSpec["target"]>()

  /** Why ssh ended. What the next one can do without is remembered. */
  const reason = (spec: TunnelSpec, said: string): TunnelError => {
    if (!old && isOld(said)) {
      old = true
      return new SshUnreachable({ target: spec.target, reason: "closed", detail: "ssh is older than 8.7" })
    }
    const error = diagnose(spec, said)
    if (isOverAnother(error, said)) tolerated.add(spec.target)
    return error
  }

  return Effect.fnUntraced(function* (spec, connectSeconds) {
    const tolerant = tolerated.has(spec.target)
    if (spec.identityFile !== undefined) yield* IdentityFile.check(fs, spec.identityFile)
    const command = ChildProcess.make(program, sshArgs(spec, connectSeconds, { old, tolerant }), {
      // Never written to. It ends when this process does, however that happens: see the local command.
      stdin: { stream: "pipe", endOnDone: false },
      // Its answers are read by their English text, and nobody is there whom a window could ask.
      env: { LC_ALL: "C", SSH_ASKPASS_REQUIRE: "never" },
      extendEnv: true,
      // Its own helpers end with it. A group would be waited for, and with it for a system that buries its dead slowly.
      detached: false,
      forceKillAfter: KILL_GRACE
    })
    const child = yield* Effect.mapError(
      spawner.spawn(command),
      (error) => new SshUnusable({ detail: printable(error.message) })
    )
    const opened = yield* Deferred.make<void>()
    const listening = yield* Deferred.make<void>()
    const bound = yield* Deferred.make<void>()
    const ended = yield* Deferred.make<never, TunnelError>()
    // One that goes on without a forward has to say itself that it has the one that counts.
    if (!tolerant) yield* Deferred.succeed(listening, undefined)
    let said = ""
    let printed = ""
    const drained = yield* child.stderr.pipe(
      Stream.decodeText,
      Stream.runForEach((chunk) => {
        said = tail(said, chunk)
        if (tolerant && isListening(spec, said)) Deferred.doneUnsafe(listening, Effect.void)
        else if (tolerant && isRefused(spec, said)) Deferred.doneUnsafe(ended, Effect.fail(diagnose(spec, said)))
        return isOpened(said) ? Deferred.succeed(opened, undefined) : Effect.void
      }),
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    yield* child.stdout.pipe(
      Stream.decodeText,
      Stream.runForEach((chunk) => {
        printed = tail(printed, chunk)
        return printed.includes(BOUND_MARK)
          ? Effect.andThen(Deferred.succeed(opened, undefined), Deferred.succeed(bound, undefined))
          : Effect.void
      }),
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    yield* Effect.exit(child.exitCode).pipe(
      Effect.andThen(Effect.timeoutOption(Fiber.await(drained), DRAIN_GRACE)),
      Effect.andThen(Effect.suspend(() => Deferred.fail(ended, reason(spec, said)))),
      Effect.forkScoped({ startImmediately: true })
    )
    return {
      opened: Deferred.await(opened),
      bound: Effect.andThen(Deferred.await(bound), Deferred.await(listening)),
      ended: Deferred.await(ended)
    }
  })
}

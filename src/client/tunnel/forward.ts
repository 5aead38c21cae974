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
import { SshUnusable, type TunnelError, type TunnelSpec } from "../../services/TunnelManager.ts"
import { printable } from "../errors.ts"
import { BOUND_MARK, sshArgs } from "./args.ts"
import { diagnose, isOpened, tail } from "./diagnosis.ts"
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
export const make = ({ fs, program = "ssh", spawner }: ForwardParts): OpenForward =>
  Effect.fnUntraced(function* (spec, connectSeconds) {
    if (spec.identityFile !== undefined) yield* IdentityFile.check(fs, spec.identityFile)
    const command = ChildProcess.make(program, sshArgs(spec, connectSeconds), {
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
    const bound = yield* Deferred.make<void>()
    const ended = yield* Deferred.make<never, TunnelError>()
    let said = ""
    let printed = ""
    const drained = yield* child.stderr.pipe(
      Stream.decodeText,
      Stream.runForEach((chunk) => {
        said = tail(said, chunk)
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
      Effect.andThen(Effect.suspend(() => Deferred.fail(ended, diagnose(spec, said)))),
      Effect.forkScoped({ startImmediately: true })
    )
    return { opened: Deferred.await(opened), bound: Deferred.await(bound), ended: Deferred.await(ended) }
  })

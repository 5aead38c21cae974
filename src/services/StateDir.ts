/**
 * The state directory: where one Gateway keeps everything that must outlive it.
 *
 * `~/.openclaw`, or `~/.openclaw-<profile>`, or `OPENCLAW_STATE_DIR`. One Gateway owns it at a time.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** Another Gateway owns this state directory. */
export class GatewayAlreadyRunning extends Schema.TaggedError<GatewayAlreadyRunning>()("GatewayAlreadyRunning", {
  pid: Schema.Int,
  stateDir: Schema.String
}) {
  override get message() {
    return `A Gateway (pid ${this.pid}) already owns ${this.stateDir}. Stop it with \`openclaw gateway stop\`, or start this one with --profile <name> or OPENCLAW_STATE_DIR to give it a directory of its own.`
  }
}

/** Another process holds a lock of the state directory. */
export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", { pid: Schema.Int, name: Schema.String }) {
  override get message() {
    return `pid ${this.pid} holds ${this.name}.`
  }
}

/** The state directory cannot be used as it is. `message` names the fix. */
export class StateDirUnusable extends Schema.TaggedError<StateDirUnusable>()("StateDirUnusable", {
  path: Schema.String,
  message: Schema.String
}) {}

/** A Gateway that runs. */
export interface Owner {
  readonly pid: number
  /** Where it can be reached from this machine, once it listens. */
  readonly url?: string | undefined
}

export class StateDir extends Context.Service<
  StateDir,
  {
    /** Absolute path of the directory; exists, mode 0700. */
    readonly root: string
    /** Absolute path of a file or folder inside it. */
    readonly path: (...segments: ReadonlyArray<string>) => string
    /** Reads a text file; `undefined` when it does not exist. */
    readonly read: (name: string) => Effect.Effect<string | undefined, StateDirUnusable>
    /** Replaces a text file at once (write, fsync, rename), mode 0600. */
    readonly write: (name: string, content: string) => Effect.Effect<void, StateDirUnusable>
    /**
     * Takes ownership of the directory for the Gateway until the scope closes. A lock whose holder died is taken over,
     * also when its pid was given to another program since.
     */
    readonly own: Effect.Effect<void, GatewayAlreadyRunning | StateDirUnusable, Scope.Scope>
    /**
     * Says in the owner's record where the owner can be reached, so that programs on this machine find it whatever the
     * configuration says by then. Nothing happens when this is not the owner; a record that cannot be written is logged.
     */
    readonly announce: (url: string) => Effect.Effect<void>
    /**
     * Takes a lock of the directory by its file's name until the scope closes, as `own` takes the Gateway's: of many that try
     * exactly one has it, and that of a dead process is taken over.
     */
    readonly hold: (name: string) => Effect.Effect<void, LockHeld | StateDirUnusable, Scope.Scope>
    /** The pid of the process that holds such a lock and is alive. Makes nothing. */
    readonly holder: (name: string) => Effect.Effect<number | undefined, StateDirUnusable>
    /** Who owns the directory: a process that is alive. */
    readonly owner: Effect.Effect<Option.Option<Owner>, StateDirUnusable>
  }
>()("openclaw/services/StateDir") {}

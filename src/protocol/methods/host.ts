/**
 * The Gateway's machine, its log, its identity, and what it is told of the world: `system.info`, `logs.tail`,
 * `gateway.identity.get`, `update.status`, `secrets.reload`, `system-event`, `wake`, `last-heartbeat`.
 *
 * Times are Unix milliseconds, durations milliseconds, sizes bytes.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name, NameOrNone, SessionKeyOrNone, SessionKeyText } from "../text.ts"
import { method, NoParams } from "./method.ts"

const Open = Schema.Record(Schema.String, Schema.Unknown)
const optionalWord = Schema.optional(NameOrNone)
const words = Schema.optional(Schema.Array(Name).pipe(Schema.check(Schema.isMaxLength(64))))
/** What the agent is told; a few thousand characters of it reach it. */
const Told = Schema.String.pipe(Schema.check(Schema.isMaxLength(100_000)))
const between = (minimum: number, maximum: number) =>
  Schema.optional(
    Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(minimum), Schema.isLessThanOrEqualTo(maximum)))
  )

export const SystemInfo = Schema.Struct({
  machineName: Schema.String,
  hostname: Schema.String,
  platform: Schema.String,
  release: Schema.String,
  arch: Schema.String,
  osLabel: Schema.String,
  lanAddress: Schema.optional(Schema.String),
  port: Schema.optional(Schema.Int),
  nodeVersion: Schema.String,
  pid: Schema.Int,
  processInstanceId: Schema.optional(Schema.NonEmptyString),
  uptimeMs: Schema.Int,
  cpuCount: Schema.Int,
  cpuModel: Schema.optional(Schema.String),
  /** Of the last 1, 5 and 15 minutes. */
  loadAverage: Schema.optional(Schema.Tuple([Schema.Finite, Schema.Finite, Schema.Finite])),
  memoryTotalBytes: Schema.Int,
  memoryFreeBytes: Schema.Int,
  diskTotalBytes: Schema.optional(Schema.Int),
  diskAvailableBytes: Schema.optional(Schema.Int),
  diskPath: Schema.optional(Schema.String)
})
export type SystemInfo = typeof SystemInfo.Type

/** Part of the log file. `cursor` is where to go on. */
export const LogsTail = Schema.Struct({
  file: Schema.NonEmptyString,
  cursor: Schema.Natural,
  size: Schema.Natural,
  lines: Schema.Array(Schema.String),
  /** Older lines were left out. */
  truncated: Schema.optional(Schema.Boolean),
  /** The file is another one than the cursor was for, or too much was added since: these lines follow no earlier ones. */
  reset: Schema.optional(Schema.Boolean)
})
export type LogsTail = typeof LogsTail.Type

/** Something that the agent should know, or how a machine does; with a device, host or instance it is shown as present. */
export const SystemEventParams = Schema.Struct({
  text: Told,
  sessionKey: Schema.optional(SessionKeyOrNone),
  deviceId: optionalWord,
  instanceId: optionalWord,
  host: optionalWord,
  ip: optionalWord,
  mode: optionalWord,
  version: optionalWord,
  platform: optionalWord,
  deviceFamily: optionalWord,
  modelIdentifier: optionalWord,
  lastInputSeconds: Schema.optional(Schema.Finite),
  reason: optionalWord,
  roles: words,
  scopes: words,
  tags: words
})
export type SystemEventParams = typeof SystemEventParams.Type

export const WakeParams = Schema.StructWithRest(
  Schema.Struct({
    /** `now` begins a turn; `next-heartbeat` goes with the session's next one, for this Gateway has no heartbeat. */
    mode: Schema.Literals(["now", "next-heartbeat"]),
    text: Told.pipe(Schema.check(Schema.isMinLength(1))),
    sessionKey: Schema.optional(SessionKeyText),
    agentId: Schema.optional(Name)
  }),
  [Open]
)

const Done = Schema.Struct({ ok: Schema.Boolean })

export const HostMethods = RpcGroup.make(
  /** The machine and the process: name, system, memory, processors, version of Node. */
  method("system.info", { access: "operator.read", params: NoParams, result: SystemInfo }),
  /** The end of the Gateway's log file, or what came since a `cursor`. Secrets are not in it. */
  method("logs.tail", {
    access: "operator.read",
    params: Schema.Struct({
      cursor: Schema.optional(Schema.Natural),
      limit: between(1, 5000),
      maxBytes: between(1, 1_000_000)
    }),
    result: LogsTail
  }),
  /** The Ed25519 key of this Gateway, raw and in base64url, and the SHA-256 of it. */
  method("gateway.identity.get", {
    access: "operator.read",
    params: NoParams,
    result: Schema.Struct({ deviceId: Schema.NonEmptyString, publicKey: Schema.NonEmptyString })
  }),
  /** This Gateway looks for no updates and installs none. */
  method("update.status", {
    access: "operator.admin",
    params: Schema.Struct({ refreshCheckout: Schema.optional(Schema.Boolean) }),
    result: Schema.Struct({ sentinel: Schema.Unknown, updateAvailable: Schema.NullOr(Schema.Unknown) })
  }),
  /** Reads the configuration and the token files anew. `warningCount`: accounts and providers that still lack a secret. */
  method("secrets.reload", {
    access: "operator.admin",
    params: NoParams,
    result: Schema.Struct({ ok: Schema.Literal(true), warningCount: Schema.Natural })
  }),
  /** Tells an agent of something that happened, in its next turn, and keeps presence up to date. */
  method("system-event", { access: "operator.admin", params: SystemEventParams, result: Done }),
  /** Tells an agent of something that happened; with `mode: "now"` a turn begins at once. */
  method("wake", { access: "operator.write", params: WakeParams, result: Done }),
  /** `null`: there was none, and with this Gateway there never is. */
  method("last-heartbeat", { access: "operator.read", params: NoParams, result: Schema.NullOr(Open) })
)

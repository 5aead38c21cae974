/**
 * The handshake's messages: the challenge, `connect` params, and `hello-ok`.
 *
 * Source: ConnectParams, HelloOk, Snapshot and PresenceEntry of `protocol.schema.json`, and recorded connects of every
 * OpenClaw 2026.9.6 client. The challenge deliberately has no `capabilities`: with them the Control UI adds a
 * `modelCatalog` property that the published schema does not know.
 */
import * as Schema from "effect/Schema"
import { StateVersion } from "./Frame.ts"
import { GatewayProof } from "./GatewayProof.ts"
import { HealthSummary } from "./methods/system.ts"
import { PresenceEntry } from "./Presence.ts"
import { Name } from "./text.ts"

const PositiveInt = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1)))
const text = (max: number) => Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(max)))

export const ClientId = Schema.Literals([
  "webchat-ui",
  "openclaw-control-ui",
  "openclaw-browser-copilot",
  "openclaw-tui",
  "webchat",
  "cli",
  "gateway-client",
  "openclaw-macos",
  "openclaw-linux",
  "openclaw-ios",
  "openclaw-watchos",
  "openclaw-android",
  "node-host",
  "openclaw-worker",
  "test",
  "fingerprint",
  "openclaw-probe"
])

export const ClientMode = Schema.Literals(["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"])

/**
 * The event `connect.challenge`, the first frame of every connection. `ts` is Unix milliseconds. `gateway` is there for clients
 * that asked for it, and for no other.
 */
export const Challenge = Schema.Struct({
  nonce: Schema.NonEmptyString,
  ts: Schema.Natural,
  gateway: Schema.optional(GatewayProof)
})
export type Challenge = typeof Challenge.Type

export const ClientInfo = Schema.Struct({
  id: ClientId,
  displayName: Schema.optional(Name),
  version: Name,
  buildId: Schema.optional(text(96)),
  platform: Name,
  deviceFamily: Schema.optional(Name),
  modelIdentifier: Schema.optional(Name),
  timeZone: Schema.optional(text(64)),
  mode: ClientMode,
  instanceId: Schema.optional(Name)
})
export type ClientInfo = typeof ClientInfo.Type

/** A device's proof of its key. `signedAt` is Unix milliseconds; see `DeviceAuth.ts` for what is signed. */
export const DeviceProof = Schema.Struct({
  id: Schema.NonEmptyString,
  publicKey: Schema.NonEmptyString,
  signature: Schema.NonEmptyString,
  signedAt: Schema.Natural,
  nonce: Schema.NonEmptyString
})
export type DeviceProof = typeof DeviceProof.Type

export const ConnectAuth = Schema.Struct({
  token: Schema.optional(Schema.String),
  bootstrapToken: Schema.optional(Schema.String),
  deviceToken: Schema.optional(Schema.String),
  password: Schema.optional(Schema.String),
  approvalRuntimeToken: Schema.optional(Schema.String),
  agentRuntimeIdentityToken: Schema.optional(Schema.String)
})
export type ConnectAuth = typeof ConnectAuth.Type

const Names = Schema.Array(Name).pipe(Schema.check(Schema.isMaxLength(1024)))

export const ConnectParams = Schema.Struct({
  minProtocol: PositiveInt,
  maxProtocol: PositiveInt,
  client: ClientInfo,
  caps: Schema.optional(Names),
  commands: Schema.optional(Names),
  computerUse: Schema.optional(Schema.Unknown),
  workerRuns: Schema.optional(Schema.Unknown),
  permissions: Schema.optional(Schema.Record(Schema.String, Schema.Boolean)),
  pathEnv: Schema.optional(Schema.String),
  role: Schema.optional(Name),
  scopes: Schema.optional(Names),
  device: Schema.optional(DeviceProof),
  auth: Schema.optional(ConnectAuth),
  locale: Schema.optional(Schema.String),
  userAgent: Schema.optional(Schema.String)
})
export type ConnectParams = typeof ConnectParams.Type

export const Snapshot = Schema.Struct({
  /** Whether work is taken. This Gateway always takes it: it knows of no suspension. */
  suspension: Schema.optional(
    Schema.Struct({ phase: Schema.Literals(["accepting", "preparing", "draining", "prepared"]) })
  ),
  presence: Schema.Array(PresenceEntry),
  health: HealthSummary,
  stateVersion: StateVersion,
  uptimeMs: Schema.Natural,
  configPath: Schema.optional(Schema.String),
  stateDir: Schema.optional(Schema.String),
  sessionDefaults: Schema.optional(
    Schema.Struct({
      defaultAgentId: Schema.String,
      modelConfigured: Schema.optional(Schema.Boolean),
      ownership: Schema.optional(Schema.Literals(["sole", "legacy", "explicit"])),
      selectionRequired: Schema.optional(Schema.Boolean),
      mainKey: Schema.String,
      mainSessionKey: Schema.String,
      scope: Schema.optional(Schema.String)
    })
  ),
  authMode: Schema.optional(Schema.Literals(["none", "token", "password", "trusted-proxy"]))
})
export type Snapshot = typeof Snapshot.Type

/**
 * A Gateway with this capability knows an idempotency key again after it was started anew, so that what was asked before is
 * not done twice. Ours, not OpenClaw's: its Gateway keeps most keys in memory.
 */
export const KEPT_KEYS = "kept-idempotency-keys"

/** The answer to `connect`. `auth.deviceToken` is present when the connection proved a device identity. */
export const HelloOk = Schema.Struct({
  type: Schema.Literal("hello-ok"),
  protocol: PositiveInt,
  server: Schema.Struct({
    version: Schema.NonEmptyString,
    bootId: Schema.optional(Schema.String),
    /** `configured`: the page's files are not this program's own, and may be of any version. */
    controlUiBuildSource: Schema.optional(Schema.Literals(["bundled", "configured"])),
    connId: Schema.NonEmptyString
  }),
  features: Schema.Struct({
    methods: Schema.Array(Schema.NonEmptyString),
    events: Schema.Array(Schema.NonEmptyString),
    /** Agreements beyond the methods' names. */
    capabilities: Schema.optional(Schema.Array(Schema.NonEmptyString))
  }),
  snapshot: Snapshot,
  auth: Schema.Struct({
    deviceToken: Schema.optional(Schema.NonEmptyString),
    role: Schema.NonEmptyString,
    scopes: Schema.Array(Schema.NonEmptyString),
    issuedAtMs: Schema.optional(Schema.Natural),
    /** Tokens for other roles, handed over by a setup code; the first connect's answer only. */
    deviceTokens: Schema.optional(
      Schema.Array(
        Schema.Struct({
          deviceToken: Schema.NonEmptyString,
          role: Schema.NonEmptyString,
          scopes: Schema.Array(Schema.NonEmptyString),
          issuedAtMs: Schema.Natural
        })
      )
    )
  }),
  policy: Schema.Struct({ maxPayload: PositiveInt, maxBufferedBytes: PositiveInt, tickIntervalMs: PositiveInt })
})
export type HelloOk = typeof HelloOk.Type

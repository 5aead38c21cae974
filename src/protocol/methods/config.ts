/**
 * `config.*`: the configuration file, read and written over the wire.
 *
 * Secrets are shown as `__OPENCLAW_REDACTED__`; that text sent back where a secret stands means the secret that is there.
 * `hash` names the file's state with its includes, and a write names the one that it was made for. Times are Unix milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { AddressOrNone, Name, NameOrNone, SessionKeyOrNone } from "../text.ts"
import { method, NoParams } from "./method.ts"

const Strings = Schema.Array(Schema.String)

/** What is wrong, or only worth knowing, at one place of the file; `""` is the whole. */
export const ConfigIssue = Schema.Struct({ path: Schema.String, message: Schema.String })
export type ConfigIssue = typeof ConfigIssue.Type

export const ConfigGetResult = Schema.Struct({
  path: Schema.String,
  exists: Schema.Boolean,
  /** The text without its secrets; `null` where they cannot be taken out of it without changing more. */
  raw: Schema.NullOr(Schema.String),
  /** The file's own tree; `null` when it is broken. */
  parsed: Schema.Unknown,
  sourceConfig: Schema.optional(Schema.Unknown),
  resolved: Schema.optional(Schema.Unknown),
  runtimeConfig: Schema.optional(Schema.Unknown),
  /** With its includes; empty when it is broken. Variables are not put in. */
  config: Schema.Unknown,
  hash: Schema.optional(Schema.String),
  valid: Schema.Boolean,
  issues: Schema.Array(ConfigIssue),
  warnings: Schema.optional(Schema.Array(ConfigIssue)),
  legacyIssues: Schema.optional(Schema.Array(Schema.Unknown)),
  /** Names the whole with its includes; another one than `appliedConfigHash` where a restart is needed. */
  configRevisionHash: Schema.optional(Schema.String),
  /** The revision that this Gateway runs by. */
  appliedConfigHash: Schema.optional(Schema.String)
})
export type ConfigGetResult = typeof ConfigGetResult.Type

/** Anything that a file may say: at most as long as the file may be, which the Gateway itself checks. */
const raw = Schema.NonEmptyString
const baseHash = Schema.optional(Name)

/** The session and chat that asked, and a note; `note` is logged. */
const origin = {
  sessionKey: Schema.optional(SessionKeyOrNone),
  deliveryContext: Schema.optional(
    Schema.Struct({
      channel: Schema.optional(NameOrNone),
      to: Schema.optional(AddressOrNone),
      accountId: Schema.optional(NameOrNone),
      threadId: Schema.optional(Schema.Union([NameOrNone, Schema.Finite]))
    })
  ),
  note: Schema.optional(Schema.String.pipe(Schema.check(Schema.isMaxLength(4_000)))),
  /** Milliseconds until a restart that the change needs. */
  restartDelayMs: Schema.optional(Schema.Natural)
}

const written = {
  ok: Schema.Literal(true),
  path: Schema.String,
  /** Of the file as it is now. */
  hash: Schema.optional(Schema.String),
  config: Schema.Unknown
}

/** `persisted`: a word about it is kept for after the restart. `requiresRestart`: what was written holds only then. */
const Sentinel = Schema.Struct({
  persisted: Schema.optional(Schema.Boolean),
  payload: Schema.Struct({
    kind: Schema.String,
    status: Schema.String,
    ts: Schema.Natural,
    sessionKey: Schema.optional(Schema.String),
    message: Schema.optional(Schema.NullOr(Schema.String)),
    stats: Schema.optional(
      Schema.Struct({
        mode: Schema.optional(Schema.String),
        root: Schema.optional(Schema.String),
        requiresRestart: Schema.optional(Schema.Boolean)
      })
    )
  })
})
export type ConfigSentinel = typeof Sentinel.Type

/** How an editor shows a value. */
export const ConfigHint = Schema.Struct({
  label: Schema.optional(Schema.String),
  help: Schema.optional(Schema.String),
  sensitive: Schema.optional(Schema.Boolean),
  advanced: Schema.optional(Schema.Boolean)
})
export type ConfigHint = typeof ConfigHint.Type

/** What a change takes: a restart, something that is started anew, nothing. */
const reloadKind = Schema.optional(Schema.Literals(["restart", "hot", "none"]))
const hinted = { hint: Schema.optional(ConfigHint), hintPath: Schema.optional(Schema.String) }

export const ConfigSchemaLookup = Schema.Struct({
  path: Schema.NonEmptyString,
  /** One node of JSON Schema, without what is inside it. */
  schema: Schema.Unknown,
  reloadKind,
  ...hinted,
  children: Schema.Array(
    Schema.Struct({
      key: Schema.NonEmptyString,
      path: Schema.NonEmptyString,
      type: Schema.optional(Schema.Union([Schema.String, Strings])),
      required: Schema.Boolean,
      hasChildren: Schema.Boolean,
      reloadKind,
      ...hinted
    })
  )
})
export type ConfigSchemaLookup = typeof ConfigSchemaLookup.Type

export const ConfigMethods = RpcGroup.make(
  /** The configuration as it is in the file and as it counts, without secrets, and the hash that a change has to name. */
  method("config.get", { access: "operator.read", params: NoParams, result: ConfigGetResult }),
  /** The configuration's JSON Schema, with hints of what is secret. */
  method("config.schema", {
    access: "operator.read",
    params: NoParams,
    result: Schema.Struct({
      schema: Schema.Unknown,
      uiHints: Schema.Record(Schema.String, ConfigHint),
      version: Schema.NonEmptyString,
      /** ISO 8601. */
      generatedAt: Schema.NonEmptyString
    })
  }),
  /** The schema of one key, and what is directly under it. */
  method("config.schema.lookup", {
    access: "operator.read",
    params: Schema.Struct({
      /** `gateway.auth`, `agents.entries.*.model`, `models.providers.x.models[].id`; `.` is the whole. */
      path: Schema.NonEmptyString.pipe(
        Schema.check(Schema.isMaxLength(1024), Schema.isPattern(/^[A-Za-z0-9_./[\]\-*]+$/))
      )
    }),
    result: ConfigSchemaLookup
  }),
  /** Replaces the whole file; says what is written, whether or not all of it holds yet. */
  method("config.set", {
    access: "operator.admin",
    params: Schema.Struct({ raw, baseHash }),
    result: Schema.Struct(written)
  }),
  /** Replaces the whole file, and restarts the Gateway where the change needs it. */
  method("config.apply", {
    access: "operator.admin",
    params: Schema.Struct({ raw, baseHash, ...origin }),
    result: Schema.Struct({ ...written, sentinel: Schema.optional(Sentinel) })
  }),
  /** Merges into the file, and restarts the Gateway where the change needs it. `noop`: nothing was to be changed. */
  method("config.patch", {
    access: "operator.admin",
    params: Schema.Struct({
      raw,
      baseHash,
      ...origin,
      /** Arrays that may lose entries. */
      replacePaths: Schema.optional(
        Schema.Array(Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(1024)))).pipe(
          Schema.check(Schema.isMaxLength(256))
        )
      )
    }),
    result: Schema.Struct({
      ...written,
      noop: Schema.optional(Schema.Literal(true)),
      changedPaths: Schema.optional(Strings),
      sentinel: Schema.optional(Sentinel)
    })
  })
)

/**
 * `channels.start`, `channels.stop`, `channels.logout` and `channels.pairing.*`: the accounts that connect people to the agent,
 * and the people who wait to be let in. `channels.status` is in `system.ts`.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name, NameOrNone } from "../text.ts"
import { method } from "./method.ts"

/** An empty account is the default one. */
const Account = Schema.Struct({ channel: Name, accountId: Schema.optional(NameOrNone) })

const account = { channel: Schema.String, accountId: Schema.String }

/**
 * What became of a start. `handed-off`: it was started, and the channel's state tells how it does; `retry`: it runs already or is
 * on its way; `skipped`: it cannot be started.
 */
const Outcome = Schema.Struct({
  status: Schema.Literals(["handed-off", "retry", "skipped"]),
  reason: Schema.optional(Schema.String)
})

const Request = Schema.Struct({ channel: Name, accountId: Name, requestId: Name })
const text = Schema.optional(Schema.NonEmptyString)

const ListedAccount = Schema.Struct({
  channel: Schema.NonEmptyString,
  channelLabel: Schema.NonEmptyString,
  accountId: Schema.NonEmptyString,
  accountLabel: text,
  /** The person can be told by the channel that they were let in. */
  notifySupported: Schema.Boolean
})

/** Times are ISO 8601. The code that the person was shown is not told. */
export const PairingRequest = Schema.Struct({
  requestId: Schema.NonEmptyString,
  ...ListedAccount.fields,
  senderId: Schema.NonEmptyString,
  /** What kind of id `senderId` is. */
  senderLabel: Schema.NonEmptyString,
  metadata: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  createdAt: Schema.NonEmptyString,
  lastSeenAt: Schema.NonEmptyString,
  expiresAt: Schema.NonEmptyString
})
export type PairingRequest = typeof PairingRequest.Type

export const ChannelsMethods = RpcGroup.make(
  /** Starts a channel's account. Also one that was stopped by hand. Whether the channel's other side can be reached is `channels.status`'s to tell. */
  method("channels.start", {
    access: "operator.admin",
    params: Account,
    result: Schema.Struct({ ...account, started: Schema.Boolean, outcome: Schema.optional(Outcome) }),
    repeat: "safe"
  }),
  /** Stops a channel's account. Receives nothing until it is started, or the Gateway is. Credentials stay; replies still leave. */
  method("channels.stop", {
    access: "operator.admin",
    params: Account,
    result: Schema.Struct({ ...account, stopped: Schema.Boolean }),
    repeat: "safe"
  }),
  /**
   * Stops it and removes its credentials from the configuration. `cleared`: some were there; `loggedOut`: none is left;
   * `envToken`: one is in the environment.
   */
  method("channels.logout", {
    access: "operator.admin",
    params: Account,
    result: Schema.Struct({
      ...account,
      cleared: Schema.Boolean,
      envToken: Schema.optional(Schema.Boolean),
      loggedOut: Schema.optional(Schema.Boolean)
    })
  }),
  /** The people who wrote to a channel and wait to be let in. */
  method("channels.pairing.list", {
    access: "operator.pairing",
    params: Schema.Struct({ channel: Schema.optional(Name), accountId: Schema.optional(Name) }),
    result: Schema.Struct({
      /** Those that let people in by pairing. */
      accounts: Schema.Array(ListedAccount),
      requests: Schema.Array(PairingRequest),
      commandOwnerConfigured: Schema.Boolean,
      limits: Schema.Struct({ pendingPerAccount: Schema.Natural, ttlMs: Schema.Natural })
    })
  }),
  /** Lets a person in, by the code that the channel showed them. */
  method("channels.pairing.approve", {
    access: "operator.pairing",
    params: Schema.Struct({
      ...Request.fields,
      /** Tell the person by the channel. */
      notify: Schema.optional(Schema.Boolean),
      /** For admins only. This Gateway has no owner of chat commands, and says `unavailable`. */
      bootstrapCommandOwner: Schema.optional(Schema.Boolean)
    }),
    result: Schema.Struct({
      requestId: Schema.NonEmptyString,
      senderId: Schema.NonEmptyString,
      notification: Schema.Literals(["not-requested", "sent", "unsupported", "failed"]),
      commandOwnerBootstrap: Schema.Literals(["not-requested", "configured", "already-configured", "unavailable"])
    })
  }),
  /** Forgets a request without letting the person in; they may ask again. */
  method("channels.pairing.dismiss", {
    access: "operator.pairing",
    params: Request,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, senderId: Schema.NonEmptyString })
  })
)

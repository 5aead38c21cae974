/**
 * `channels.start`, `channels.stop`, `channels.logout`, `channels.pairing.*`.
 */
import { createHash } from "node:crypto"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type GatewayError, invalidRequest, missingScope, unavailable } from "../../../protocol/GatewayError.ts"
import { ChannelsMethods, type PairingRequest } from "../../../protocol/methods/channels.ts"
import { satisfies } from "../../../protocol/Role.ts"
import { type AccessRequest, ChannelAccess, ChannelRouter, Channels } from "../../../services/ChannelRouter.ts"
import { Config } from "../../../services/Config.ts"
import { codeTtlMs, maxPending } from "../../channels/ChannelAccess.ts"
import { approved as approvedText } from "../../channels/replies.ts"
import { Access } from "../Access.ts"
import { CurrentConnection } from "../Connections.ts"
import { storageFailed } from "./errors.ts"

/** Channels that this program brings with it, configured or not. */
const BUILT_IN = "telegram"
const DEFAULT_ACCOUNT = "default"
/** How long it is waited for that a started account receives. */
const settlesWithin = "2 seconds"
const lookEvery = "20 millis"
/** How long it is waited for that a person was told. */
const toldWithin = "15 seconds"

interface Account {
  readonly channel: string
  readonly accountId?: string | undefined
}

/** New for each request of the same person, and tells nothing of the code. */
const requestIdOf = ({ accountId, channel, createdAt, senderId }: AccessRequest): string =>
  createHash("sha256")
    .update(JSON.stringify([channel, accountId, senderId, createdAt]), "utf8")
    .digest("base64url")
    .slice(0, 32)

const iso = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

const metadataOf = ({ displayName, username }: AccessRequest) => ({
  ...(displayName === undefined ? undefined : { displayName }),
  ...(username === undefined ? undefined : { username })
})

const gone = invalidRequest("pending DM access request no longer exists")

export const layer = ChannelsMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const channels = yield* Channels
    const router = yield* ChannelRouter
    const access = yield* ChannelAccess
    const config = yield* Config
    const current = Effect.orDie(config.get)

    /** The account that is meant, and its row in `channels.status` where it has one. */
    const find = Effect.fnUntraced(function* (method: string, { accountId, channel }: Account) {
      const status = yield* channels.status({ channel })
      if (status.channelOrder.length === 0 && channel !== BUILT_IN) {
        return yield* invalidRequest(`invalid ${method} channel`)
      }
      const named = accountId?.trim() ?? ""
      const id = named === "" ? (status.channelDefaultAccountId[channel] ?? DEFAULT_ACCOUNT) : named
      const row = status.channelAccounts[channel]?.find((account) => account.accountId === id)
      return { channel, accountId: id, row }
    })

    /** Why an account that does not exist, or has no credentials, cannot be started. */
    const reasonFor = Effect.fnUntraced(function* (channel: string, accountId: string) {
      const section = channel === BUILT_IN ? (yield* current).channels?.telegram : undefined
      const isDisabled = section?.enabled === false || section?.accounts?.[accountId]?.enabled === false
      return isDisabled ? "disabled" : "unconfigured"
    })

    const start = Effect.fn("Gateway.channels.start")(function* (params: Account) {
      const { accountId, channel, row } = yield* find("channels.start", params)
      if (row === undefined || row.configured === false) {
        const reason = yield* reasonFor(channel, accountId)
        return { channel, accountId, started: false, outcome: { status: "skipped", reason } } as const
      }
      const outcome = yield* router.start(channel, accountId)
      const look = Effect.map(find("channels.start", { channel, accountId }), (found) => found.row)
      // It may wait for another Gateway's lease, or be refused: then it is not running, and the answer says so.
      const settled = yield* look.pipe(
        Effect.repeat({
          until: (found) => found?.running === true || (found?.healthState ?? "stopped") !== "stopped",
          schedule: Schedule.spaced(lookEvery)
        }),
        Effect.timeoutOrElse({ duration: settlesWithin, orElse: () => look })
      )
      return {
        channel,
        accountId,
        started: settled?.running === true,
        outcome:
          outcome === "running"
            ? ({ status: "retry", reason: "task-owned" } as const)
            : ({ status: "handed-off" } as const)
      }
    })

    const stop = Effect.fn("Gateway.channels.stop")(function* (params: Account) {
      const { accountId, channel } = yield* find("channels.stop", params)
      yield* router.stop(channel, accountId)
      const { row } = yield* find("channels.stop", { channel, accountId })
      return { channel, accountId, stopped: row?.running !== true }
    })

    const logout = Effect.fn("Gateway.channels.logout")(function* (params: Account) {
      const { accountId, channel, row } = yield* find("channels.logout", params)
      const result = yield* Effect.mapError(router.logout(channel, accountId), ({ message }) => unavailable(message))
      if (result === undefined && row !== undefined) {
        return yield* invalidRequest(`channel ${channel} does not support logout`)
      }
      return { channel, accountId, ...(result ?? { cleared: false, envToken: false, loggedOut: false }) }
    })

    /** The accounts that let people in by pairing. */
    const pairingAccounts = Effect.fnUntraced(function* (only: {
      readonly channel?: string | undefined
      readonly accountId?: string | undefined
    }) {
      const status = yield* channels.status()
      if (only.channel !== undefined && only.channel !== BUILT_IN && !status.channelOrder.includes(only.channel)) {
        return yield* invalidRequest(`Error: unknown pairing channel: ${only.channel}`)
      }
      return status.channelOrder.flatMap((channel) =>
        (status.channelAccounts[channel] ?? []).flatMap(({ accountId, dmPolicy, name }) => {
          const isWanted =
            (only.channel ?? channel) === channel &&
            (only.accountId ?? accountId) === accountId &&
            (dmPolicy ?? "pairing") === "pairing"
          const label = name === undefined || name === "" ? undefined : { accountLabel: name }
          const channelLabel = status.channelLabels[channel] ?? channel
          return isWanted ? [{ channel, channelLabel, accountId, ...label, notifySupported: true }] : []
        })
      )
    })

    const list = Effect.fn("Gateway.channels.pairing.list")(function* (params: {
      readonly channel?: string | undefined
      readonly accountId?: string | undefined
    }) {
      const accounts = yield* pairingAccounts(params)
      const pending = yield* Effect.mapError(access.pending(params.channel), storageFailed)
      const requests = pending.flatMap((request): ReadonlyArray<PairingRequest> => {
        const account = accounts.find(
          ({ accountId, channel }) => channel === request.channel && accountId === request.accountId
        )
        if (account === undefined) return []
        return [
          {
            requestId: requestIdOf(request),
            ...account,
            senderId: request.senderId,
            senderLabel: `${request.channel}UserId`,
            metadata: metadataOf(request),
            createdAt: iso(request.createdAt),
            lastSeenAt: iso(request.lastSeenAt),
            expiresAt: iso(request.expiresAt)
          }
        ]
      })
      // Chat commands are everyone's who may write here: there is no owner of them.
      const limits = { pendingPerAccount: maxPending, ttlMs: codeTtlMs }
      return { accounts, requests, commandOwnerConfigured: false, limits }
    })

    interface Named {
      readonly channel: string
      readonly accountId: string
      readonly requestId: string
    }

    /** Carries something out on the request that an id names, by the code that its sender was shown. */
    const settle = <E>(
      { accountId, channel, requestId }: Named,
      how: (code: string) => Effect.Effect<AccessRequest, E>
    ): Effect.Effect<AccessRequest, GatewayError | E> =>
      Effect.gen(function* () {
        const accounts = yield* pairingAccounts({ channel, accountId })
        if (accounts.length === 0) {
          return yield* invalidRequest(`channel account does not use DM pairing: ${channel}:${accountId}`)
        }
        const pending = yield* Effect.mapError(access.pending(channel), storageFailed)
        const request = pending.find((each) => each.accountId === accountId && requestIdOf(each) === requestId)
        return request === undefined ? yield* gone : yield* how(request.code)
      })

    const errors = {
      AccessCodeNotFound: () => Effect.fail(gone),
      AccessStorageFailed: (error: { readonly message: string }) => Effect.fail(storageFailed(error))
    }

    const tell = Effect.fnUntraced(function* ({ accountId, channel, requestId }: Named, senderId: string) {
      const sent = yield* channels
        .send({ channel, accountId, to: senderId, text: approvedText, idempotencyKey: `pairing-approved:${requestId}` })
        .pipe(Effect.timeout(toldWithin), Effect.result)
      if (sent._tag === "Failure")
        yield* Effect.logWarning(`${senderId} is let in and was not told: ${sent.failure.message}`)
      return sent._tag === "Success" ? ("sent" as const) : ("failed" as const)
    })

    const approve = Effect.fn("Gateway.channels.pairing.approve")(function* (
      params: Named & {
        readonly notify?: boolean | undefined
        readonly bootstrapCommandOwner?: boolean | undefined
      }
    ) {
      const { scopes } = yield* CurrentConnection
      if (params.bootstrapCommandOwner === true && !satisfies(scopes, "operator.admin")) {
        return yield* missingScope("operator.admin", ["operator.pairing", "operator.admin"])
      }
      const { senderId } = yield* settle(params, (code) => access.approve(params.channel, code)).pipe(
        Effect.catchTags(errors)
      )
      return {
        requestId: params.requestId,
        senderId,
        notification: params.notify === true ? yield* tell(params, senderId) : ("not-requested" as const),
        commandOwnerBootstrap:
          params.bootstrapCommandOwner === true ? ("unavailable" as const) : ("not-requested" as const)
      }
    })

    const dismiss = Effect.fn("Gateway.channels.pairing.dismiss")(function* (params: Named) {
      const { senderId } = yield* settle(params, (code) => access.dismiss(params.channel, code)).pipe(
        Effect.catchTags(errors)
      )
      return { requestId: params.requestId, senderId }
    })

    return {
      "channels.start": start,
      "channels.stop": stop,
      "channels.logout": logout,
      "channels.pairing.list": list,
      "channels.pairing.approve": approve,
      "channels.pairing.dismiss": dismiss
    }
  })
)

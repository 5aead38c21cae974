/**
 * The channels that exist now, and the way out through them.
 */
import { createHash } from "node:crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ChannelAccountStatus, ChannelsStatusResult } from "../../protocol/methods/system.ts"
import type { Channel, DeliveryReceipt, OutboundMessage, Peer } from "../../services/Channel.ts"
import { DeliveryFailed } from "../../services/Channel.ts"
import { ChannelNotConfigured, Channels, InvalidDestination } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { now } from "./now.ts"
import { policyOf, warningsOf } from "./policy.ts"

/** Messages that are remembered by their idempotency key. */
const maxRemembered = 1_000
/** Milliseconds for one probe. */
const probeTimeoutMs = 10_000
const firstChannel = "telegram"
const firstAccount = "default"

type SendOptions = Parameters<Channels["Service"]["send"]>[0]

interface Remembered {
  readonly fingerprint: string
  readonly receipt: Deferred.Deferred<DeliveryReceipt, DeliveryFailed>
}

interface AccountReport {
  readonly row: ChannelAccountStatus
  readonly timedOut: boolean
}

/** A digest, because a thousand long messages need not be kept to be recognised. */
const fingerprintOf = (message: OutboundMessage): string =>
  createHash("sha256")
    .update(JSON.stringify([message.peer, message.text, message.replyToMessageId ?? null, message.silent ?? false]))
    .digest("base64")

const summaryOf = (row: ChannelAccountStatus | undefined) => ({
  configured: row?.configured ?? false,
  running: row?.running ?? false,
  lastStartAt: row?.lastStartAt ?? null,
  lastStopAt: row?.lastStopAt ?? null,
  lastError: row?.lastError ?? null,
  tokenSource: row?.tokenSource ?? "none",
  ...(row?.mode === undefined ? undefined : { mode: row.mode }),
  ...(row?.probe === undefined ? undefined : { probe: row.probe })
})

export const layer: Layer.Layer<Channels, never, Config> = Layer.effect(
  Channels,
  Effect.gen(function* () {
    const config = yield* Config
    const sending = yield* FiberSet.make()
    const registered = new Set<Channel>()
    const remembered = new Map<string, Remembered>()

    /** An unreadable file has no say here; whoever changes it is told by the configuration itself. */
    const currentConfig: Effect.Effect<OpenClawConfig> = Effect.orElseSucceed(config.get, () => ({}))

    const register = Effect.fn("Channels.register")(function* (channel: Channel) {
      yield* Effect.acquireRelease(
        Effect.sync(() => registered.add(channel)),
        () => Effect.sync(() => registered.delete(channel))
      )
    })

    const accountsOf = (id: string) => [...registered].filter((channel) => channel.id === id)

    const defaultAccount = Effect.fnUntraced(function* (id: string) {
      const accounts = accountsOf(id)
      const named = id === firstChannel ? (yield* currentConfig).channels?.telegram?.defaultAccount : undefined
      return (
        accounts.find((channel) => channel.accountId === named) ??
        accounts.find((channel) => channel.accountId === firstAccount) ??
        accounts[0]
      )
    })

    const find = (id: string, accountId: string) => accountsOf(id).find((channel) => channel.accountId === accountId)

    const channelFor = Effect.fnUntraced(function* (options: SendOptions) {
      const id = options.channel ?? [...registered][0]?.id ?? firstChannel
      const channel = options.accountId === undefined ? yield* defaultAccount(id) : find(id, options.accountId)
      if (channel !== undefined) return channel
      const account =
        options.accountId === undefined || accountsOf(id).length === 0 ? "" : `.accounts.${options.accountId}`
      return yield* new ChannelNotConfigured({ channel: `${id}${account}` })
    })

    /** Starts a delivery that outlives its caller: nobody can tell how far an interrupted one came. */
    const begin = Effect.fnUntraced(function* (key: string, channel: Channel, message: OutboundMessage) {
      const receipt = Deferred.makeUnsafe<DeliveryReceipt, DeliveryFailed>()
      const entry: Remembered = { fingerprint: fingerprintOf(message), receipt }
      remembered.set(key, entry)
      if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value!)
      yield* FiberSet.run(
        sending,
        Effect.onExit(Effect.interruptible(channel.send(message)), (exit) =>
          Effect.andThen(
            Effect.sync(() => {
              const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
              // What certainly did not arrive may be asked for again under the same key.
              if (failure !== undefined && failure.outcome !== "unknown" && remembered.get(key) === entry) {
                remembered.delete(key)
              }
            }),
            Deferred.done(receipt, exit)
          )
        ).pipe(Effect.ignoreCause)
      )
      return receipt
    }, Effect.uninterruptible)

    const send = Effect.fn("Channels.send")(function* (options: SendOptions) {
      const channel = yield* channelFor(options)
      const peer = channel.parsePeer(options.to, options.threadId)
      if (peer === undefined) return yield* new InvalidDestination({ channel: channel.id, to: options.to })
      const message: OutboundMessage = {
        peer,
        text: options.text,
        ...(options.replyToMessageId === undefined ? undefined : { replyToMessageId: options.replyToMessageId }),
        ...(options.silent === undefined ? undefined : { silent: options.silent })
      }
      const known = remembered.get(options.idempotencyKey)
      if (known !== undefined && known.fingerprint !== fingerprintOf(message)) {
        return yield* new DeliveryFailed({
          channel: channel.id,
          to: peer.chatId,
          message: `the idempotency key ${options.idempotencyKey.slice(0, 80)} was used for another message`,
          outcome: "refused"
        })
      }
      const pending = known?.receipt ?? (yield* begin(options.idempotencyKey, channel, message))
      const receipt = yield* Deferred.await(pending)
      return { ...receipt, channel: channel.id, chatId: peer.chatId }
    })

    const deliver = Effect.fn("Channels.deliver")(function* (message: OutboundMessage) {
      const channel = find(message.peer.channel, message.peer.accountId)
      if (channel === undefined) return yield* new ChannelNotConfigured({ channel: message.peer.channel })
      return yield* channel.send(message)
    })

    const typing = Effect.fn("Channels.typing")(function* (peer: Peer) {
      const channel = find(peer.channel, peer.accountId)
      return yield* channel === undefined ? Effect.never : channel.typing(peer)
    })

    const report = Effect.fnUntraced(function* (channel: Channel, current: OpenClawConfig, probed: boolean) {
      const status = yield* channel.status
      const policy = channel.id === firstChannel ? policyOf(current, channel.id, channel.accountId) : undefined
      const row: ChannelAccountStatus = {
        ...status,
        ...(policy === undefined ? undefined : { dmPolicy: policy.dmPolicy ?? "pairing" }),
        ...(policy?.allowFrom === undefined ? undefined : { allowFrom: policy.allowFrom.map(String) })
      }
      if (!probed) return { row, timedOut: false } satisfies AccountReport
      const probe = yield* Effect.timeoutOption(channel.probe, probeTimeoutMs)
      const timedOut = Option.isNone(probe)
      const answer = timedOut ? { ok: false, error: `no answer within ${probeTimeoutMs} ms` } : probe.value
      return { row: { ...row, probe: answer }, timedOut } satisfies AccountReport
    })

    const status = Effect.fn("Channels.status")(function* (
      options: { readonly probe?: boolean; readonly channel?: string } = {}
    ): Effect.fn.Return<ChannelsStatusResult> {
      const current = yield* currentConfig
      const shown = [...registered].filter((channel) => options.channel === undefined || channel.id === options.channel)
      const order = [...new Set(shown.map((channel) => channel.id))].sort()
      const reports = yield* Effect.forEach(shown, (channel) => report(channel, current, options.probe === true), {
        concurrency: 8
      })
      const rowsOf = (id: string) => reports.filter((_, index) => shown[index]!.id === id).map(({ row }) => row)
      const defaults = yield* Effect.forEach(order, (id) =>
        Effect.map(defaultAccount(id), (channel) => [id, channel?.accountId ?? firstAccount] as const)
      )
      const warnings = warningsOf(current)
      return {
        ts: yield* now,
        channelOrder: order,
        channelLabels: Object.fromEntries(shown.map((channel) => [channel.id, channel.label])),
        channels: Object.fromEntries(
          defaults.map(([id, accountId]) => [id, summaryOf(rowsOf(id).find((row) => row.accountId === accountId))])
        ),
        channelAccounts: Object.fromEntries(order.map((id) => [id, rowsOf(id)])),
        channelDefaultAccountId: Object.fromEntries(defaults),
        ...(reports.some((each) => each.timedOut) ? { partial: true } : undefined),
        ...(warnings.length === 0 ? undefined : { warnings })
      }
    })

    return { register, send, deliver, typing, status }
  })
)

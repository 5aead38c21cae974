/**
 * The channels that exist now, and the way out through them.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as SqlClient from "effect/sql/SqlClient"
import type { ChannelAccountStatus, ChannelsStatusResult } from "../../protocol/methods/system.ts"
import type { Channel, OutboundMessage, Peer } from "../../services/Channel.ts"
import { ChannelNotConfigured, Channels, InvalidDestination } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { now } from "../now.ts"
import * as Deliveries from "./Deliveries.ts"
import * as Outbox from "./Outbox.ts"
import { policyOf, warningsOf } from "./policy.ts"

/** Milliseconds for one probe. */
const probeTimeoutMs = 10_000
const firstChannel = "telegram"
const firstAccount = "default"

type SendOptions = Parameters<Channels["Service"]["send"]>[0]
type Destination = Parameters<Channels["Service"]["resolve"]>[0]

interface AccountReport {
  readonly row: ChannelAccountStatus
  readonly timedOut: boolean
}

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

export const layer: Layer.Layer<Channels, never, Config | SqlClient.SqlClient> = Layer.effect(
  Channels,
  Effect.gen(function* () {
    const config = yield* Config
    const registered = new Set<Channel>()
    const accountsOf = (id: string) => [...registered].filter((channel) => channel.id === id)
    const find = (id: string, accountId: string) => accountsOf(id).find((channel) => channel.accountId === accountId)
    const out = yield* Deliveries.make(yield* Outbox.make, accountsOf)

    /** There are channels only where the configuration was good once. */
    const currentConfig = Effect.orDie(config.get)

    const register = Effect.fn("Channels.register")(function* (channel: Channel) {
      yield* Effect.acquireRelease(
        Effect.sync(() => registered.add(channel)),
        () => Effect.sync(() => registered.delete(channel))
      )
      yield* out.takeUp(channel)
    })

    const defaultAccount = Effect.fnUntraced(function* (id: string) {
      const accounts = accountsOf(id)
      const named = id === firstChannel ? (yield* currentConfig).channels?.telegram?.defaultAccount : undefined
      return (
        accounts.find((channel) => channel.accountId === named) ??
        accounts.find((channel) => channel.accountId === firstAccount) ??
        accounts[0]
      )
    })

    const channelFor = Effect.fnUntraced(function* (options: Omit<Destination, "to">) {
      const id = options.channel ?? [...registered][0]?.id ?? firstChannel
      const channel = options.accountId === undefined ? yield* defaultAccount(id) : find(id, options.accountId)
      if (channel !== undefined) return channel
      const account =
        options.accountId === undefined || accountsOf(id).length === 0 ? "" : `.accounts.${options.accountId}`
      return yield* new ChannelNotConfigured({ channel: `${id}${account}` })
    })

    const resolve = Effect.fn("Channels.resolve")(function* (options: Destination) {
      const channel = yield* channelFor(options)
      const peer = channel.parsePeer(options.to, options.threadId)
      return peer ?? (yield* new InvalidDestination({ channel: channel.id, to: options.to }))
    })

    const deliver = Effect.fn("Channels.deliver")((message: OutboundMessage) => out.deliver(message))

    const send = Effect.fn("Channels.send")(function* (options: SendOptions) {
      const peer = yield* resolve(options)
      const receipt = yield* out.send(
        {
          peer,
          text: options.text,
          idempotencyKey: options.idempotencyKey,
          ...(options.replyToMessageId === undefined ? undefined : { replyToMessageId: options.replyToMessageId }),
          ...(options.silent === undefined ? undefined : { silent: options.silent })
        },
        options.media
      )
      return { ...receipt, channel: peer.channel, chatId: peer.chatId }
    })

    const typing = Effect.fn("Channels.typing")(function* (peer: Peer) {
      const channel = find(peer.channel, peer.accountId)
      return yield* channel === undefined ? Effect.never : channel.typing(peer)
    })

    const report = Effect.fnUntraced(function* (channel: Channel, current: OpenClawConfig, probed: boolean) {
      // First, because a probe may bring a channel back to life.
      const probe = probed ? yield* Effect.timeoutOption(channel.probe, probeTimeoutMs) : undefined
      const status = yield* channel.status
      const policy =
        channel.policy ?? (channel.id === firstChannel ? policyOf(current, channel.id, channel.accountId) : undefined)
      const row: ChannelAccountStatus = {
        ...status,
        ...(policy === undefined ? undefined : { dmPolicy: policy.dmPolicy ?? "pairing" }),
        ...(policy?.allowFrom === undefined ? undefined : { allowFrom: policy.allowFrom.map(String) })
      }
      if (probe === undefined) return { row, timedOut: false } satisfies AccountReport
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

    const { abandon, deliveries, deliveryCounts, dropDelivery, retryDelivery, withdraw } = out
    return {
      policy: (id, accountId) => Effect.sync(() => find(id, accountId)?.policy),
      register,
      resolve,
      send,
      deliver,
      deliveries,
      deliveryCounts,
      retryDelivery,
      dropDelivery,
      withdraw,
      abandon,
      typing,
      status
    }
  })
)

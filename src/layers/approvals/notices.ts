/**
 * Tells the owners, in their own chats with the bot, which command waits for them, and how it ended.
 *
 * What is told is kept by the outbox under the question's id, so nobody is told twice, also after a restart.
 */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type { OutboundMessage } from "../../services/Channel.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { EventBus } from "../../services/EventBus.ts"
import { type Approval, ExecApprovals } from "../../services/ExecApprovals.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { defaultPolicy, deliverPatiently } from "../channels/deliverPatiently.ts"
import { approversOf, hasButtons, isTold } from "./approvers.ts"
import { decisionsOf } from "./snapshot.ts"

type Said = Pick<OutboundMessage, "buttons" | "text">
type Part = "asked" | "ended"

const CHANNEL = "telegram"
/** What OpenClaw calls this way. */
const ROUTE = "forwarder"

/** A fence longer than any run of backticks in the text. */
const fenced = (text: string): string => {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length))
  const fence = "`".repeat(longest + 1)
  return `${fence}\n${text}\n${fence}`
}

const seconds = (millis: number) => {
  const whole = Math.max(0, Math.round(millis / 1000))
  return whole < 120 ? `${whole}s` : `${Math.round(whole / 60)}m`
}

/** The same whenever it is made: the outbox takes no other text under a key that it has begun. */
const question = (approval: Approval): string => {
  const { cwd, envKeys, host, nodeId, warningText } = approval.request
  return [
    "Approval required.",
    "",
    ...(typeof warningText === "string" && warningText !== "" ? [fenced(warningText)] : []),
    "Pending command:",
    fenced(approval.request.command),
    "Answer with one of:",
    fenced(
      decisionsOf(approval)
        .map((decision) => `/approve ${approval.id} ${decision}`)
        .join("\n")
    ),
    [
      `Host: ${host ?? "gateway"}`,
      ...(typeof nodeId === "string" ? [`Node: ${nodeId}`] : []),
      ...(typeof cwd === "string" ? [`CWD: ${cwd}`] : []),
      ...(envKeys === undefined ? [] : [`Variables: ${envKeys.join(", ")}`]),
      `Expires in: ${seconds(approval.expiresAtMs - approval.createdAtMs)}`
    ].join("\n")
  ].join("\n")
}

const labels = { "allow-once": "Allow once", "allow-always": "Allow always", deny: "Deny" }

const buttonsOf = (approval: Approval): NonNullable<OutboundMessage["buttons"]> =>
  decisionsOf(approval).map((decision) => ({ label: labels[decision], command: `/approve ${approval.id} ${decision}` }))

const endings = { allowed: "allowed", denied: "denied", expired: "expired", cancelled: "taken back", pending: "open" }

const answer = ({ decision, id, resolver, status }: Approval): string =>
  [
    `Approval ${endings[status]}${decision === undefined ? "" : ` (${decision})`}.`,
    ...(resolver?.id === undefined ? [] : [`By: ${resolver.id}`]),
    `Id: \`${id}\``
  ].join("\n")

export const layer: Layer.Layer<never, never, Channels | Config | EventBus | ExecApprovals | Supervisor> =
  Layer.effectDiscard(
    Effect.gen(function* () {
      const approvals = yield* ExecApprovals
      const channels = yield* Channels
      const config = yield* Config
      const supervisor = yield* Supervisor
      const subscription = yield* (yield* EventBus).subscribe
      const telling = yield* FiberMap.make<string>()

      /** The owners' chats on the channel's first account. Nobody while there is no such account. */
      const chats = Effect.gen(function* () {
        const current = yield* config.get
        const [account] = (yield* channels.status({ channel: CHANNEL })).channelAccounts[CHANNEL] ?? []
        if (account?.configured !== true || !isTold(current, CHANNEL, account.accountId)) return []
        const ids = approversOf(current, CHANNEL, account.accountId)
        const buttons = hasButtons(current, CHANNEL, account.accountId)
        return ids.map((chatId) => ({
          buttons,
          peer: { channel: CHANNEL, accountId: account.accountId, chatId, chatType: "direct" as const }
        }))
      }).pipe(Effect.orElseSucceed(() => []))

      const keyOf = (id: string, chatId: string, part: Part) => `approval:${id}:${chatId}:${part}`

      /** Who was not told of a question yet need not be once it is over. */
      const takeBack = Effect.fnUntraced(function* (key: string) {
        if (!FiberMap.hasUnsafe(telling, key)) return
        yield* FiberMap.remove(telling, key)
        yield* Effect.flatten(channels.withdraw(key)).pipe(
          Effect.catch((error) => Effect.logWarning(`${key} was not taken back: ${error.message}`))
        )
      })

      const tell = Effect.fnUntraced(function* (id: string, part: Part, said: Said) {
        for (const { buttons, peer } of yield* chats) {
          const key = keyOf(id, peer.chatId, part)
          if (part === "ended") yield* takeBack(keyOf(id, peer.chatId, "asked"))
          const message = {
            text: said.text,
            peer,
            idempotencyKey: key,
            ...(buttons && said.buttons !== undefined ? { buttons: said.buttons } : undefined)
          }
          const what = `telling ${peer.chatId} of approval ${id}`
          const told = deliverPatiently(channels, message, defaultPolicy, what).pipe(
            Effect.catchCause((cause) => Effect.logWarning(`${what} failed`, cause))
          )
          yield* FiberMap.run(telling, key, told, { onlyIfMissing: true })
        }
      })

      const ask = Effect.fnUntraced(function* (approval: Approval) {
        if (approval.delivery !== "all") return
        yield* tell(approval.id, "asked", { text: question(approval), buttons: buttonsOf(approval) })
      })

      yield* approvals.addRoute(({ delivery }) =>
        delivery === "all" ? Effect.map(chats, (found) => (found.length === 0 ? undefined : ROUTE)) : Effect.undefined
      )

      const follow = Effect.gen(function* () {
        const { event, payload } = yield* PubSub.take(subscription)
        if (event !== "exec.approval.requested" && event !== "exec.approval.resolved") return
        const approval = yield* approvals.find(payload.id)
        if (approval.delivery !== "all") return
        yield* event === "exec.approval.requested"
          ? ask(approval)
          : tell(approval.id, "ended", { text: answer(approval) })
      }).pipe(Effect.catch((error) => Effect.logWarning(`owners were not told of an approval: ${error.message}`)))
      yield* supervisor.supervise("approvals/notices", Effect.forever(follow), { restart: "always" })
      // Asked before a restart, and perhaps not told.
      yield* Effect.flatMap(approvals.pending, (waiting) => Effect.forEach(waiting, ask, { discard: true })).pipe(
        Effect.catch((error) => Effect.logWarning(`what waits was not read: ${error.message}`))
      )
    })
  )

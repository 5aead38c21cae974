/**
 * `NodeTurns` over the book of turns: an event and its turn are stored in one transaction.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { eventName } from "../../protocol/NodeEvents.ts"
import type { Peer } from "../../services/Channel.ts"
import type { ChannelAccess } from "../../services/ChannelRouter.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import {
  type Conversation,
  DestinationNotAllowed,
  NodeEventReused,
  NodeTurnNotAccepted,
  NodeTurns,
  NothingSaid,
  type OwedReply,
  type SpeakingNode
} from "../../services/NodeTurns.ts"
import { queueSettingOf } from "../../services/Queue.ts"
import { Sessions } from "../../services/Sessions.ts"
import { Turns, type TurnRequest } from "../../services/Turns.ts"
import { VoiceWake } from "../../services/VoiceWake.ts"
import { quoted } from "../agent/speaker.ts"
import * as Book from "./Book.ts"
import * as Destination from "./destination.ts"
import { cleaned, withoutTrigger } from "./words.ts"

/** By this name `messages.queue.byChannel` means what comes from nodes. */
const NODE = "node"

const nameOf = ({ displayName, nodeId }: SpeakingNode): string => quoted(displayName ?? nodeId)

const toldOfVoice = (from: SpeakingNode, to: Peer | undefined): string =>
  [
    `The user spoke; the device ${nameOf(from)} heard it and wrote down what it understood. Single words may be wrong: take what fits the sense, and ask before you act on a doubtful one.`,
    to === undefined
      ? "Your reply may be read aloud: keep it short, in plain sentences, without markup, tables or links."
      : "Your reply is sent to the chat where they wrote last: let its first words show what you understood."
  ].join("\n")

const toldOfRequest = (from: SpeakingNode): string => `The user sent this from their device ${nameOf(from)}.`

const RECEIPT = "Got it from your device; I am on it."

interface Asked {
  readonly from: SpeakingNode
  readonly conversation: Conversation
  readonly kind: "voice" | "request"
  readonly name: string | undefined
  readonly text: string
  readonly to: Peer | undefined
  readonly told: string
  readonly timeoutMs?: number
}

const notAccepted = (error: { readonly message: string }) =>
  error instanceof NodeTurnNotAccepted
    ? error
    : new NodeTurnNotAccepted({ message: `what a node said was not taken in: ${error.message}` })

type Needs = ChannelAccess | Channels | Config | Sessions | SqlClient.SqlClient | Turns | VoiceWake

export const layer: Layer.Layer<NodeTurns, never, Needs> = Layer.effect(
  NodeTurns,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const book = yield* Book.make
    const destination = yield* Destination.make
    const channels = yield* Channels
    const config = yield* Config
    const sessions = yield* Sessions
    const turns = yield* Turns
    const voiceWake = yield* VoiceWake
    const receipts = yield* FiberSet.make<void, unknown>()
    const open = new Map<string, OwedReply>()
    for (const reply of yield* Effect.orDie(book.owed)) open.set(reply.runId, reply)

    const submit = Effect.fnUntraced(
      function* (asked: Asked) {
        const { conversation, from, kind, name, text, told, to } = asked
        const sessionKey = conversation.key
        const setting = queueSettingOf(yield* config.get, NODE, yield* sessions.queue(sessionKey))
        const entry = { from, kind, name, text, sessionKey, owed: to === undefined }
        let owed: string | undefined
        return yield* Effect.gen(function* () {
          const entered = yield* book.enter(entry)
          if (!entered.isSame) return yield* new NodeEventReused({ runId: entered.runId })
          if (!entered.isNew) return { entered, forgotten: [] }
          const request: TurnRequest = {
            runId: entered.runId,
            sessionKey,
            agentId: conversation.agentId,
            text,
            receivedAt: entered.receivedAt,
            sender: {
              id: from.nodeId,
              ...(from.displayName === undefined ? undefined : { displayName: from.displayName })
            },
            extraSystemPrompt: told,
            ...(to === undefined ? undefined : { replyTo: { peer: to } }),
            ...(asked.timeoutMs === undefined ? undefined : { timeoutMs: asked.timeoutMs })
          }
          // Known before the turn can end: its end is told to whoever is owed it.
          if (entered.owed) {
            owed = entered.runId
            open.set(owed, { runId: entered.runId, nodeId: from.nodeId, sessionKey })
          }
          yield* turns.submit(request, setting)
          return { entered, forgotten: yield* book.prune(entered.receivedAt, from.nodeId) }
        }).pipe(
          sql.withTransaction,
          Effect.onError(() => Effect.sync(() => owed !== undefined && open.delete(owed)))
        )
      },
      Effect.catchIf(
        (error) => !(error instanceof NodeEventReused),
        (error) => Effect.fail(notAccepted(error))
      )
    )

    const take = Effect.fnUntraced(function* (asked: Asked) {
      const { entered, forgotten } = yield* submit(asked)
      for (const runId of forgotten) open.delete(runId)
      const { isNew, runId, sessionKey } = entered
      yield* Effect.logInfo(
        isNew ? `a node asks: ${asked.kind}, run ${runId}` : `a node asked again: run ${runId} has it already`
      ).pipe(Effect.annotateLogs({ nodeId: asked.from.nodeId, sessionKey }))
      return { runId, sessionKey, isNew }
    }, Effect.uninterruptible)

    const heard: NodeTurns["Service"]["heard"] = Effect.fn("NodeTurns.heard")(function* (from, said, conversation) {
      const triggers = yield* Effect.mapError(voiceWake.triggers, notAccepted)
      const text = withoutTrigger(cleaned(said.text), triggers, said.voiceWakeTrigger ?? undefined)
      if (text === "") return yield* new NothingSaid()
      const to = yield* Effect.mapError(destination.last(conversation.key), notAccepted)
      return yield* take({
        from,
        conversation,
        kind: "voice",
        name: eventName(said, text),
        text,
        to,
        told: toldOfVoice(from, to)
      })
    })

    const acknowledge = (runId: string, peer: Peer, text: string | null | undefined) =>
      channels.deliver({ peer, text: cleaned(text ?? "") || RECEIPT, idempotencyKey: `${runId}:receipt` }).pipe(
        Effect.asVoid,
        Effect.catchCauseIf(
          (cause) => !Cause.hasInterrupts(cause),
          (cause) => Effect.logWarning(`the receipt of run ${runId} was not sent`, cause)
        ),
        FiberSet.run(receipts)
      )

    const asked: NodeTurns["Service"]["asked"] = Effect.fn("NodeTurns.asked")(function* (from, request, conversation) {
      const text = cleaned(request.message)
      if (text === "") return yield* new NothingSaid()
      const to =
        request.deliver === true
          ? yield* destination
              .named(conversation.key, request)
              .pipe(Effect.mapError((error) => (error instanceof DestinationNotAllowed ? error : notAccepted(error))))
          : undefined
      const taken = yield* take({
        from,
        conversation,
        kind: "request",
        name: eventName(request, text),
        text,
        to,
        told: toldOfRequest(from),
        ...(typeof request.timeoutSeconds === "number"
          ? { timeoutMs: Math.min(request.timeoutSeconds * 1_000, Number.MAX_SAFE_INTEGER) }
          : undefined)
      })
      if (taken.isNew && to !== undefined && request.receipt === true) {
        yield* acknowledge(taken.runId, to, request.receiptText)
      }
      return taken
    })

    const tell: NodeTurns["Service"]["tell"] = Effect.fn("NodeTurns.tell")(function* (reply, send) {
      // Taken before it is sent: nobody else sends it meanwhile.
      if (!open.delete(reply.runId)) return
      if (!(yield* send)) return void open.set(reply.runId, reply)
      yield* Effect.catch(book.told(reply.runId), ({ message }) =>
        Effect.logWarning(`run ${reply.runId} was told to its node, which was not noted: ${message}`)
      )
    }, Effect.uninterruptible)

    return NodeTurns.of({
      heard,
      asked,
      owed: (runId) => open.get(runId),
      owedTo: (nodeId) => [...open.values()].filter((reply) => reply.nodeId === nodeId),
      tell
    })
  })
)

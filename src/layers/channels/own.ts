/**
 * A channel of the app as a Layer: what comes in is a Stream, what goes out an Effect.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import {
  type Channel,
  ChannelInterrupted,
  type ChannelPolicy,
  DeliveryFailed,
  type InboundMessage,
  type OutboundMessage
} from "../../services/Channel.ts"
import { ChannelRouter } from "../../services/ChannelRouter.ts"

/** One message of a person to the agent. */
export interface Incoming {
  /** Unique within the chat: the same id again is the same message, which is answered once. */
  readonly id: string
  readonly text: string
  /** The chat that it was written in, and that the reply goes to. */
  readonly chatId: string
  /** Who wrote; the chat's id when left out. */
  readonly senderId?: string
  readonly senderName?: string
  /** `direct` when left out. */
  readonly chatType?: "direct" | "group"
}

/** What the app's channel consists of. */
export interface ChannelParts<E, R, E2 extends { readonly message: string }, R2> {
  /** Names it in session keys, logs and `channels.status`; not `telegram`. */
  readonly id: string
  readonly label?: string
  /**
   * What people write. An element counts as taken in once it is on the disk, and only then is the next one asked for. A Stream that
   * fails or ends is begun anew, later each time.
   */
  readonly incoming: Stream.Stream<Incoming, E, R>
  /**
   * Sends one reply and gives its id, if it has one. A failure counts as certain that nothing arrived: it is tried again under the
   * same `idempotencyKey`. After a defect nobody knows, and it is not.
   */
  readonly send: (message: OutboundMessage) => Effect.Effect<string | void, E2, R2>
  /** Who may write: everybody the app lets through when left out, since the app knows its people. */
  readonly policy?: ChannelPolicy
}

/** A channel of the app has a name that cannot stand in session keys, or Telegram's. */
export class ChannelIdInvalid extends Schema.TaggedError<ChannelIdInvalid>()("ChannelIdInvalid", {
  id: Schema.String
}) {
  override get message() {
    return `${JSON.stringify(this.id.slice(0, 100))} cannot name a channel of the app.\nFix: give it a name of its own of at most 64 letters, digits, ".", "_" and "-", other than "telegram".`
  }
}

const isOwnId = (id: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id) && id.toLowerCase() !== "telegram"

const ACCOUNT = "default"

const textOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
}

const make = Effect.fnUntraced(function* <E, R, E2 extends { readonly message: string }, R2>(
  parts: ChannelParts<E, R, E2, R2>
) {
  const { id, incoming, label = id, policy = { dmPolicy: "open", groupPolicy: "open" }, send } = parts
  const context = yield* Effect.context<R | R2>()
  let connected = false
  let lastError: string | null = null

  const inbound = Effect.fnUntraced(function* (message: Incoming) {
    const { chatId, chatType = "direct", senderId = chatId, senderName, text } = message
    return {
      updateId: `${chatId}:${message.id}`,
      source: id,
      peer: { channel: id, accountId: ACCOUNT, chatId, chatType },
      messageId: message.id,
      sender: { id: senderId, ...(senderName === undefined ? undefined : { displayName: senderName }) },
      text,
      addressed: true,
      sentAt: yield* Clock.currentTimeMillis
    } satisfies InboundMessage
  })

  const notSent = ({ peer }: OutboundMessage, message: string, outcome: DeliveryFailed["outcome"]) =>
    new DeliveryFailed({ channel: id, to: peer.chatId, message, outcome })
  const interrupted = (message: string) => new ChannelInterrupted({ channel: id, accountId: ACCOUNT, message })
  const channel: Channel = {
    id,
    label,
    accountId: ACCOUNT,
    source: id,
    policy,
    receive: (commit) =>
      incoming.pipe(
        Stream.onStart(
          Effect.sync(() => {
            connected = true
            lastError = null
          })
        ),
        Stream.provideContext(context),
        Stream.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Stream.failCause(cause as Cause.Cause<never>)
            : Stream.fail(interrupted(textOf(cause)))
        ),
        Stream.rechunk(1),
        Stream.runForEach((message) => Effect.flatMap(inbound(message), (one) => commit([one]))),
        Effect.andThen(Effect.fail(interrupted("its messages ended"))),
        Effect.tapError(({ message }) =>
          Effect.sync(() => {
            lastError = message
          })
        ),
        Effect.ensuring(
          Effect.sync(() => {
            connected = false
          })
        )
      ),
    send: (message) =>
      Effect.suspend(() => send(message)).pipe(
        Effect.provideContext(context),
        Effect.mapBoth({
          onFailure: (error) => notSent(message, error.message, "never-sent"),
          onSuccess: (sent) => ({ messageIds: sent === undefined ? [] : [sent] })
        }),
        // Nobody knows how far it came.
        Effect.catchDefect((defect) =>
          Effect.andThen(
            Effect.logError(`sending by ${id} died`, defect),
            Effect.fail(notSent(message, textOf(Cause.die(defect)), "unknown"))
          )
        )
      ),
    typing: () => Effect.never,
    parsePeer: (to) => {
      const chatId = to.startsWith(`${id}:`) ? to.slice(id.length + 1) : to
      return chatId === "" ? undefined : { channel: id, accountId: ACCOUNT, chatId, chatType: "direct" }
    },
    status: Effect.sync(() => ({
      accountId: ACCOUNT,
      enabled: true,
      configured: true,
      running: connected,
      connected,
      lastError
    })),
    probe: Effect.sync(() => ({ ok: connected }))
  }
  return channel
})

/**
 * Runs the app's channel for as long as the Layer lives; as part of `extensions` of the Gateway's options it outlives the turns
 * that reply through it.
 *
 * When to use: a chat of the app's own. A channel that resumes deliveries, sends files or logs out implements `Channel` itself and
 * is given to `ChannelRouter.add`.
 */
export const channel = <E, R, E2 extends { readonly message: string }, R2>(
  parts: ChannelParts<E, R, E2, R2>
): Layer.Layer<never, ChannelIdInvalid, ChannelRouter | R | R2> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      if (!isOwnId(parts.id)) return yield* new ChannelIdInvalid({ id: parts.id })
      const { add } = yield* ChannelRouter
      yield* add(yield* make(parts))
    })
  )

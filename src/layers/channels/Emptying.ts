/**
 * Empties an account's inbox, in order. A message that cannot be handled does not hold up the others for ever: one over which
 * the process died `maxTries` times, or whose handling died of as many defects, is set aside with a word to its sender.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as SqlClient from "effect/sql/SqlClient"
import type { Channel, InboundMessage } from "../../services/Channel.ts"
import type { SetAsideReason } from "../../services/SetAside.ts"
import { parse } from "../../domain/TraceContext.ts"
import { type FlowSpan, Tracing } from "../../services/Tracing.ts"
import { now } from "../now.ts"
import * as Admission from "./Admission.ts"
import * as Answers from "./Answers.ts"
import * as Inbox from "./Inbox.ts"
import { notice } from "./setAsideNotice.ts"

/** Messages that are read from the inbox at once. */
const batch = 50
/** How often a message that an earlier process left is taken up. */
export const maxTries = 3

type Admission = Effect.Success<typeof Admission.make>

/** One account's part: what was set aside is seen again after `wake`. */
export const make = Effect.fnUntraced(function* (
  channel: Channel,
  admission: Admission,
  /** What follows a commit and is not cut off when the account goes. */
  aftermath: FiberSet.FiberSet
) {
  const sql = yield* SqlClient.SqlClient
  const tracing = yield* Tracing
  const inbox = yield* Inbox.make(channel)
  const answers = yield* Answers.make(inbox, channel.accountId)
  const arrived = yield* Latch.make()
  /** Defects of this process, by row. */
  const defects = new Map<number, number>()
  /** Rows up to here may have been in an earlier process's hands when it died. */
  let left: number | undefined

  /** The message with the account's present name. */
  const present = (message: InboundMessage): InboundMessage => ({
    ...message,
    peer: { ...message.peer, accountId: channel.accountId }
  })

  /** Carries a message out. Whatever it changes is committed together with the note that it is done. */
  const carryOut = Effect.fnUntraced(function* (
    seq: number,
    receivedAt: number,
    message: InboundMessage,
    span: FlowSpan
  ) {
    const verdict = yield* admission.judge(message, receivedAt, channel.policy)
    const { decision } = verdict
    span.annotate({
      decision: decision.kind,
      ...(decision.kind === "drop" ? { reason: decision.reason } : undefined)
    })
    const work = Effect.gen(function* () {
      if (!(yield* inbox.done(seq))) return {}
      const deed = yield* admission.act(verdict, inbox)
      if (deed.reply === undefined) return { deed }
      const { code, text } = deed.reply
      const idempotencyKey = `${Admission.runIdOf(message)}:command`
      const reply: Inbox.Reply = {
        message: { peer: message.peer, text, idempotencyKey },
        ...(code === undefined ? undefined : { code })
      }
      yield* inbox.owe(seq, reply)
      return { deed, reply }
    })
    // An account that is stopped while it waits for the disk still sees to what was committed.
    const { reply } = yield* Effect.uninterruptibleMask((restore) =>
      Effect.tap(sql.withTransaction(restore(work)), ({ deed }) =>
        deed?.carryOut === undefined ? Effect.void : FiberSet.run(aftermath, deed.carryOut, { startImmediately: true })
      )
    )
    if (reply !== undefined) yield* answers.say(seq, reply)
  })

  /** Tells the sender, if it is one that is answered. Judging may be what the message dies of, so it was set aside before. */
  const tell = Effect.fnUntraced(
    function* (seq: number, receivedAt: number, message: InboundMessage) {
      const { decision } = yield* admission.judge(message, receivedAt, channel.policy)
      if (decision.kind !== "admit") return
      const idempotencyKey = `${Admission.runIdOf(message)}:set-aside:${yield* now}`
      const reply: Inbox.Reply = { message: { peer: message.peer, text: notice, idempotencyKey } }
      yield* inbox.owe(seq, reply)
      yield* answers.say(seq, reply)
    },
    Effect.catchDefect((defect) => Effect.logError("the sender of a message that is set aside is not told", defect))
  )

  const setAside = Effect.fnUntraced(function* (
    { receivedAt, seq }: Inbox.Waiting,
    message: InboundMessage | undefined,
    reason: SetAsideReason,
    detail: string
  ) {
    if (!(yield* inbox.setAside(seq, reason, detail))) return
    yield* Effect.logError(
      `message ${seq} is set aside: ${detail}. \`openclaw channels dead-letters\` shows it, and has it tried again.`
    )
    if (message !== undefined) yield* tell(seq, receivedAt, message)
  })

  /** Handles one that an earlier process left: the try is on disk before it is made, and taken back if this process lives. */
  const retaken = Effect.fnUntraced(function* (row: Inbox.Waiting, message: InboundMessage, span: FlowSpan) {
    const { receivedAt, seq, tries } = row
    span.annotate({ resumed: true })
    if (tries >= maxTries) {
      return yield* setAside(row, message, "crashed", `the Gateway died ${tries} times while it was handled`)
    }
    yield* inbox.countTry(seq, 1)
    yield* carryOut(seq, receivedAt, message, span).pipe(
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Effect.ignore(inbox.countTry(seq, -1))))
    )
  })

  const handle = Effect.fnUntraced(function* (row: Inbox.Waiting) {
    const { receivedAt, seq } = row
    const decoded = yield* Effect.option(Inbox.decodeMessage(row.stored))
    if (decoded._tag === "None") return yield* setAside(row, undefined, "unreadable", "its row cannot be read")
    const message = present(decoded.value)
    const attempt = tracing.span(
      "admit",
      { parent: parse(row.trace), attributes: { channel: channel.id, chatType: message.peer.chatType } },
      (span) => (seq <= (left ?? 0) ? retaken(row, message, span) : carryOut(seq, receivedAt, message, span))
    )
    yield* attempt.pipe(
      Effect.catchCauseIf(
        (cause) => Cause.hasDies(cause) && !Cause.hasInterrupts(cause),
        Effect.fnUntraced(function* (cause) {
          const count = (defects.get(seq) ?? 0) + 1
          defects.set(seq, count)
          if (count < maxTries) return yield* Effect.failCause(cause)
          defects.delete(seq)
          yield* Effect.logError(`handling message ${seq} died of a defect`, cause)
          yield* setAside(row, message, "failed", "its handling failed; the Gateway's log has the cause")
        })
      ),
      Effect.annotateLogs({ update: message.updateId })
    )
  })

  const empty = Effect.fn("ChannelRouter.empty")(function* (): Effect.fn.Return<
    never,
    Effect.Error<ReturnType<typeof handle>>
  > {
    left ??= yield* inbox.newest
    yield* answers.sayAll
    while (true) {
      // Closed before looking: what is committed after the look opens it again.
      yield* arrived.close
      const waiting = yield* inbox.waiting(batch)
      for (const each of waiting) yield* handle(each)
      if (waiting.length === 0) yield* arrived.await
    }
  })

  return { inbox, empty: empty(), wake: Effect.asVoid(arrived.open) }
})

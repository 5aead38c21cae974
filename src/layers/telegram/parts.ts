/**
 * Delivering a message part by part, each created as a preview and then changed into the whole.
 *
 * Creating is the step that cannot be repeated without showing something twice, and what it shows is only a beginning. The id
 * of what was created is kept before the change, and the change may be made any number of times. So whatever dies or gets
 * lost wherever, each part is shown whole once, and at worst a beginning stays in the chat; those are counted.
 */
import * as Effect from "effect/Effect"
import type { DeliveryAttempt, DeliveryProgress, DeliveryReceipt } from "../../services/Channel.ts"
import { DeliveryFailed } from "../../services/Channel.ts"
import type { TelegramError } from "./Api.ts"
import { isContentRefused, isFixed, isGone, isNotModified, outcomeOf, retrying } from "./attempts.ts"

/** A message that is taken away each time it appears is not created for ever. */
const mostCreations = 4
/** Nor is a chat followed for ever that says each time that it is another one. */
const mostMoves = 4

/** One message in the chat. Ids are Telegram's. */
export interface Part {
  /** Shows the beginning. */
  readonly create: (first: boolean) => Effect.Effect<string, TelegramError>
  /** Changes what was created into the whole. */
  readonly complete: (messageId: string) => Effect.Effect<void, TelegramError>
  /** Changes what was created into its text without anything else, where the whole is refused. */
  readonly plain: (messageId: string) => Effect.Effect<void, TelegramError>
  /** Takes away what was created. */
  readonly remove: (messageId: string) => Effect.Effect<void, TelegramError>
  /** Sends the whole at once, where nothing can be changed. */
  readonly whole: (first: boolean) => Effect.Effect<string, TelegramError>
}

/** The mark of a part in `DeliveryProgress.next`: its index, and whether it is being sent at once. */
const markOf = (index: number, atOnce: boolean): string => (atOnce ? `${index}!` : String(index))
const readMark = (mark = "0") => ({ index: Number.parseInt(mark, 10), atOnce: mark.endsWith("!") })

/**
 * Delivers what is not delivered yet. `partsIn`: the parts as they go to a chat; `to`: the chat that the message names; `moved`:
 * where chats are that became others, which grows.
 */
export const deliver = Effect.fnUntraced(function* (
  partsIn: (chatId: string) => ReadonlyArray<Part>,
  to: string,
  moved: Map<string, string>,
  { cut = false, from, keep = () => Effect.void, withdrawn }: DeliveryAttempt
): Effect.fn.Return<DeliveryReceipt, DeliveryFailed> {
  const messageIds = [...(from?.messageIds ?? [])]
  let { atOnce, index } = readMark(from?.next)
  let open = from?.open
  let lost = from?.lost ?? 0
  let orphans = from?.orphans ?? 0
  let creations = 0
  let moves = 0
  let chatId = moved.get(to) ?? from?.chatId ?? to
  let parts = partsIn(chatId)
  // What was created before is in the chat that it was created in.
  if (open !== undefined && chatId !== (from?.chatId ?? to)) {
    open = undefined
    orphans += 1
  }

  const progress = (): DeliveryProgress => ({
    messageIds: [...messageIds],
    next: markOf(index, atOnce),
    lost,
    ...(open === undefined ? undefined : { open }),
    ...(orphans === 0 ? undefined : { orphans }),
    ...(chatId === to ? undefined : { chatId })
  })
  /** Whether anything of it is or may be in the chat. */
  const hasBegun = () => index > 0 || open !== undefined || orphans > 0 || atOnce
  const next = () => {
    index += 1
    open = undefined
    atOnce = false
    creations = 0
    return index < parts.length ? keep(progress()) : Effect.void
  }
  const stop = (error: TelegramError, outcome: DeliveryFailed["outcome"]) =>
    new DeliveryFailed({
      channel: "telegram",
      to,
      message: parts.length === 1 ? error.message : `${error.message} (part ${index + 1} of ${parts.length})`,
      outcome,
      ...(hasBegun() ? { progress: progress() } : undefined),
      ...(error.retryAfterMs === undefined ? undefined : { retryAfterMs: error.retryAfterMs })
    })
  /** Of a step that may be taken again. */
  const stopRepeatable = (error: TelegramError) => {
    const outcome = outcomeOf(error)
    return stop(error, outcome === "unknown" ? "unfinished" : outcome)
  }

  /** Goes on in the chat that a group became. A beginning stays in the old one. */
  const follow = Effect.fnUntraced(function* ({ movedTo }: TelegramError) {
    if (movedTo === undefined || movedTo === chatId || moves >= mostMoves) return false
    yield* Effect.logInfo(`the chat ${chatId} is ${movedTo} by now`)
    moves += 1
    moved.set(to, movedTo)
    chatId = movedTo
    parts = partsIn(chatId)
    if (open !== undefined) orphans += 1
    open = undefined
    if (hasBegun()) yield* keep(progress())
    return true
  })
  /** Nothing stays half shown of what is refused for good: its plain text takes its place, or it goes. */
  const endOf = Effect.fnUntraced(function* (part: Part, id: string, error: TelegramError) {
    if (outcomeOf(error) !== "refused") return error
    if (isContentRefused(error)) {
      const shown = yield* Effect.result(retrying(part.plain(id)))
      if (shown._tag === "Success" || isNotModified(shown.failure)) return undefined
      if (outcomeOf(shown.failure) !== "refused") return shown.failure
    }
    const removed = yield* Effect.result(part.remove(id))
    if (removed._tag === "Success") {
      open = undefined
      yield* keep(progress())
    } else yield* Effect.logWarning(`a beginning stays in the chat: ${removed.failure.message}`)
    return error
  })

  if (cut && atOnce) {
    lost += 1
    yield* next()
  } else if (cut && open === undefined) {
    orphans += 1
    // Or the next one that dies here would not be counted besides.
    yield* keep(progress())
  }

  while (index < parts.length) {
    const part = parts[index]!
    if (atOnce) {
      const sent = yield* Effect.result(retrying(part.whole(index === 0)))
      if (sent._tag === "Failure" && (yield* follow(sent.failure))) continue
      if (sent._tag === "Success") messageIds.push(sent.success)
      else if (outcomeOf(sent.failure) !== "unknown") return yield* stop(sent.failure, outcomeOf(sent.failure))
      else lost += 1
      yield* next()
      continue
    }
    if (open === undefined) {
      creations += 1
      const created = yield* Effect.result(retrying(part.create(index === 0), hasBegun() ? undefined : withdrawn))
      if (created._tag === "Failure") {
        if (yield* follow(created.failure)) continue
        if (outcomeOf(created.failure) === "unknown") orphans += 1
        return yield* stopRepeatable(created.failure)
      }
      open = created.success
      yield* keep(progress())
    }
    const completed = yield* Effect.result(retrying(part.complete(open)))
    if (completed._tag === "Success" || isNotModified(completed.failure)) {
      messageIds.push(open)
      yield* next()
    } else if (yield* follow(completed.failure)) {
      continue
    } else if (isGone(completed.failure) && creations < mostCreations) {
      open = undefined
      yield* keep(progress())
    } else if (isFixed(completed.failure)) {
      yield* Effect.logWarning(`a part cannot be changed, so it is sent at once: ${completed.failure.message}`)
      orphans += 1
      open = undefined
      atOnce = true
      yield* keep(progress())
    } else {
      const id: string = open
      const error = yield* endOf(part, id, completed.failure)
      if (error !== undefined) return yield* stopRepeatable(error)
      messageIds.push(id)
      yield* next()
    }
  }

  if (lost === 0) return { messageIds, ...(orphans === 0 ? undefined : { orphans }) }
  return yield* new DeliveryFailed({
    channel: "telegram",
    to,
    message: `the answer to ${lost} of ${parts.length} parts was lost, so they may be missing`,
    outcome: "unknown"
  })
})

/**
 * Dead letters of all kinds as one list. Turns are kept here; messages to chats are the outbox's, messages that never had a
 * turn the inbox's, and what is done with those is theirs.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../domain/Ids.ts"
import type { DeadLetter, DeadLetterDetail, DeadLetterKind } from "../../protocol/methods/deadLetters.ts"
import { Channels, type OpenDelivery } from "../../services/ChannelRouter.ts"
import {
  DeadLetterNotFound,
  DeadLetterNotRetryable,
  type DeadLetterQueue,
  DeadLetters,
  DeadLettersUnavailable,
  type Retried
} from "../../services/DeadLetters.ts"
import { Sessions } from "../../services/Sessions.ts"
import { SetAside, type SetAsideMessage } from "../../services/SetAside.ts"
import { Turns } from "../../services/Turns.ts"
import { now } from "../now.ts"
import * as Store from "./Store.ts"

const mostListed = 200
/** Those that only wait stand between the dead ones. */
const mostDeliveries = 100_000

const unavailable = (error: { readonly message: string }) =>
  new DeadLettersUnavailable({ message: `dead letters cannot be reached: ${error.message}` })

const present = <A extends object>(fields: A): { [K in keyof A]?: NonNullable<A[K]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never

/** Only what nobody works on any more. */
const isDead = ({ state }: OpenDelivery): boolean => state === "unknown" || state === "refused"

const ofDelivery = (delivery: OpenDelivery): DeadLetterDetail => ({
  id: Store.idOf("delivery", delivery.key),
  kind: "delivery",
  error:
    delivery.error ?? (delivery.state === "refused" ? "the channel refused it" : "whether it arrived is not known"),
  mayDouble: delivery.state === "unknown",
  receivedAt: delivery.since,
  failedAt: delivery.updatedAt,
  channel: delivery.channel,
  accountId: delivery.accountId,
  chatId: delivery.chatId,
  ...present({ text: delivery.text })
})

const ofMessage = (message: SetAsideMessage): DeadLetterDetail => ({
  id: Store.idOf("message", String(message.id)),
  kind: "message",
  attempts: message.tries,
  error: message.detail,
  mayDouble: false,
  receivedAt: message.receivedAt,
  failedAt: message.setAsideAt,
  channel: message.channel,
  accountId: message.accountId,
  ...present({ chatId: message.chatId, senderId: message.sender?.id, text: message.text })
})

const withoutText = ({ text: _text, ...letter }: DeadLetterDetail): DeadLetter => letter

/** The id of the next try: `r`, `r#2`, `r#3`, … */
const nextId = (runId: RunId): RunId => {
  const [, base = runId, tries = "1"] = /^(.*)#([1-9]\d{0,8})$/s.exec(runId) ?? []
  return RunId.make(`${base}#${Number(tries) + 1}`)
}

export const layer: Layer.Layer<DeadLetters, never, SqlClient.SqlClient | Channels | Sessions | SetAside | Turns> =
  Layer.effect(
    DeadLetters,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const channels = yield* Channels
      const sessions = yield* Sessions
      const setAside = yield* SetAside
      const turns = yield* Turns
      const store = yield* Store.make

      const deliveries = Effect.map(channels.deliveries({ limit: mostDeliveries }), (all) => all.filter(isDead))

      const all = Effect.gen(function* () {
        const letters = [
          ...(yield* store.open),
          ...(yield* deliveries).map(ofDelivery).map(withoutText),
          ...(yield* setAside.list).map(ofMessage).map(withoutText)
        ]
        return letters.toSorted((a, b) => a.failedAt - b.failedAt)
      }).pipe(Effect.mapError(unavailable))

      const list: DeadLetters["Service"]["list"] = Effect.fn("DeadLetters.list")(function* (options = {}) {
        const letters = yield* all
        return letters
          .filter(({ channel, kind }) => (options.channel ?? channel) === channel && (options.kind ?? kind) === kind)
          .slice(0, options.limit ?? mostListed)
      })

      const counts = Effect.map(all, (letters) => {
        const of = (kind: DeadLetterKind) => letters.filter((letter) => letter.kind === kind).length
        const oldest = letters[0]?.failedAt
        return {
          total: letters.length,
          turn: of("turn"),
          delivery: of("delivery"),
          message: of("message"),
          ...(oldest === undefined ? undefined : { oldestFailedAt: oldest })
        }
      }).pipe(Effect.withSpan("DeadLetters.counts"))

      const queues = Effect.map(all, (letters) => {
        const found = new Map<string, DeadLetterQueue>()
        for (const { accountId, channel, failedAt, kind } of letters) {
          const direction = kind === "delivery" ? "out" : "in"
          const key = JSON.stringify([direction, channel, accountId])
          // The list is sorted, so the first of a queue is its oldest.
          const { count, oldestFailedAt } = found.get(key) ?? { count: 0, oldestFailedAt: failedAt }
          found.set(key, { direction, channel, accountId, count: count + 1, oldestFailedAt })
        }
        return [...found.values()]
      }).pipe(Effect.withSpan("DeadLetters.queues"))

      const findDelivery = Effect.fnUntraced(function* (id: string) {
        return (yield* deliveries).find(({ key }) => Store.idOf("delivery", key) === id)
      }, Effect.mapError(unavailable))

      const findMessage = Effect.fnUntraced(function* (id: string) {
        return (yield* setAside.list).find((message) => Store.idOf("message", String(message.id)) === id)
      }, Effect.mapError(unavailable))

      const find: DeadLetters["Service"]["find"] = Effect.fn("DeadLetters.find")(function* (id) {
        const turn = yield* Effect.mapError(store.find(id), unavailable)
        if (turn?.state === "open") return { ...turn.letter, text: turn.request.text }
        if (turn !== undefined) return yield* new DeadLetterNotFound({ id, was: turn.state })
        const delivery = yield* findDelivery(id)
        if (delivery !== undefined) return ofDelivery(delivery)
        const message = yield* findMessage(id)
        return message === undefined ? yield* new DeadLetterNotFound({ id }) : ofMessage(message)
      })

      /** The message as a turn of its own, at the end of its session. */
      const submitAnew = Effect.fnUntraced(function* (turn: Extract<Store.Stored, { state: "open" }>) {
        const { request } = turn
        let runId = nextId(request.runId)
        while (yield* turns.knows(runId)) runId = nextId(runId)
        yield* sessions.append([
          {
            sessionKey: request.sessionKey,
            runId,
            dedupeKey: `${runId}:retried`,
            message: {
              role: "system",
              content: `The message "${request.text.slice(0, 80)}" was set aside and is tried again (${turn.letter.id}).`,
              timestamp: yield* now,
              idempotencyKey: `${runId}:retried`
            }
          }
        ])
        yield* turns.submit({ ...request, runId })
        yield* store.retried(turn.letter.id, runId)
        return runId
      })

      /** `undefined` when it is no turn. Reading and doing are one transaction: two who try at once get one turn. */
      const retryTurn = Effect.fnUntraced(
        function* (id: string) {
          const turn = yield* store.find(id)
          if (turn === undefined) return undefined
          if (turn.state === "dropped") return yield* new DeadLetterNotFound({ id, was: turn.state })
          const already = turn.state === "retried"
          const runId = already ? turn.runId : yield* submitAnew(turn)
          return { id, kind: "turn", already, runId, mayDouble: turn.letter.mayDouble } satisfies Retried
        },
        sql.withTransaction,
        Effect.mapError((error) => (error._tag === "DeadLetterNotFound" ? error : unavailable(error)))
      )

      const gone = (id: string) => () => Effect.fail(new DeadLetterNotFound({ id }))

      const retry: DeadLetters["Service"]["retry"] = Effect.fn("DeadLetters.retry")(function* (id) {
        const turn = yield* retryTurn(id)
        if (turn !== undefined) return turn
        const delivery = yield* findDelivery(id)
        if (delivery !== undefined) {
          const { messageIds } = yield* channels.retryDelivery(delivery.key).pipe(
            Effect.catchTags({
              DeliveryNotFound: gone(id),
              DeliveryStorageFailed: (error) => Effect.fail(unavailable(error))
            })
          )
          return { id, kind: "delivery", already: false, messageIds, mayDouble: delivery.state === "unknown" }
        }
        const message = yield* findMessage(id)
        if (message === undefined) return yield* new DeadLetterNotFound({ id })
        yield* setAside.retry(message.id).pipe(
          Effect.catchTags({
            SetAsideNotFound: gone(id),
            SetAsideUnreadable: (error) => Effect.fail(new DeadLetterNotRetryable({ id, reason: error.message })),
            InboxFailed: (error) => Effect.fail(unavailable(error))
          })
        )
        return { id, kind: "message", already: false, mayDouble: false }
      })

      /** `undefined` when it is no turn. */
      const dropTurn = Effect.fnUntraced(
        function* (id: string) {
          const turn = yield* store.find(id)
          if (turn === undefined) return undefined
          if (turn.state === "retried") return yield* new DeadLetterNotFound({ id, was: turn.state })
          if (turn.state === "open") yield* store.dropped(id)
          return { id, kind: "turn", already: turn.state === "dropped" } as const
        },
        sql.withTransaction,
        Effect.mapError((error) => (error._tag === "DeadLetterNotFound" ? error : unavailable(error)))
      )

      const drop: DeadLetters["Service"]["drop"] = Effect.fn("DeadLetters.drop")(function* (id) {
        const turn = yield* dropTurn(id)
        if (turn !== undefined) return turn
        const delivery = yield* findDelivery(id)
        if (delivery !== undefined) {
          const dropped = yield* Effect.mapError(channels.dropDelivery(delivery.key), unavailable)
          return { id, kind: "delivery", already: !dropped }
        }
        const message = yield* findMessage(id)
        if (message === undefined) return yield* new DeadLetterNotFound({ id })
        yield* setAside
          .drop(message.id)
          .pipe(
            Effect.catchTags({ SetAsideNotFound: gone(id), InboxFailed: (error) => Effect.fail(unavailable(error)) })
          )
        return { id, kind: "message", already: false }
      })

      return { list, counts, queues, find, retry, drop }
    })
  )

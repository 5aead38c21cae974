/**
 * A model of the Bot API's queue of updates: it keeps each until an offset confirms it. Everything is in memory and waits on the
 * test's clock.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import { HttpClientError, TransportError } from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import { Signal } from "./kit.ts"

interface Queued {
  readonly update_id: number
  readonly [field: string]: unknown
}

/**
 * What becomes of a poll. `lost`: it is heard, its answer is not; `deaf`: it is not even heard, and hangs; `conflict`: another
 * program ends it; `shuffled`: the answer is out of order and leaves something out; `repeated`: it holds everything twice.
 */
export type Trouble = "lost" | "deaf" | "conflict" | "broken" | "shuffled" | "repeated"

export const makeQueue = (onConfirm: (updates: ReadonlyArray<Queued>) => Effect.Effect<void>) => {
  const signal = new Signal()
  let pending: ReadonlyArray<Queued> = []
  let nextId = 1_000
  let messages = 0
  const troubles: Array<Trouble> = []

  const read = (body: unknown): { readonly offset?: number } =>
    typeof body === "object" && body !== null && "body" in body && body.body instanceof Uint8Array
      ? JSON.parse(new TextDecoder().decode(body.body))
      : {}

  const poll = Effect.fnUntraced(function* (offset: number | undefined) {
    const trouble = troubles.shift()
    if (trouble === "deaf") return yield* Effect.never
    if (trouble === "conflict") return { ok: false, error_code: 409, description: "Conflict: terminated" }
    if (trouble === "broken") return { ok: false, error_code: 502, description: "Bad Gateway" }
    if (offset !== undefined) {
      const confirmed = pending.filter((update) => update.update_id < offset)
      pending = pending.filter((update) => update.update_id >= offset)
      signal.notify()
      yield* onConfirm(confirmed)
    }
    const found = yield* signal
      .until(() => (pending.length > 0 ? pending.slice(0, 100) : undefined))
      .pipe(Effect.timeoutOption("30 seconds"))
    const updates = Option.getOrElse(found, () => [])
    if (trouble === "lost") return undefined
    if (trouble === "repeated") return { ok: true, result: [...updates, ...updates] }
    if (trouble !== "shuffled" || updates.length < 2) return { ok: true, result: updates }
    const [first, ...rest] = updates
    return { ok: true, result: [...rest.slice(1), first, ...(rest.length > 2 ? [] : rest.slice(0, 1))] }
  })

  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const method = url.pathname.split("/").at(-1)
      const answer =
        method === "getUpdates"
          ? yield* poll(read(request.body).offset)
          : {
              ok: true,
              result: method === "getMe" ? { id: 42, is_bot: true, first_name: "Claw", username: "claw" } : true
            }
      if (answer === undefined) {
        return yield* new HttpClientError({
          reason: new TransportError({ request, cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) })
        })
      }
      return HttpClientResponse.fromWeb(request, Response.json(answer))
    })
  )

  const push = (fields: object) => {
    pending = [...pending, { update_id: nextId++, ...fields }]
    signal.notify()
  }
  const person = { id: 7, is_bot: false, first_name: "Eve" }
  const content = () => ({ message_id: ++messages, date: 1, chat: { id: 7, type: "private" }, from: person })

  return {
    client,
    troubles,
    isEmpty: () => pending.length === 0,
    text: (text: string) => push({ message: { ...content(), text } }),
    edit: () => push({ edited_message: { ...content(), text: "edited" } }),
    unreadable: (mark: string) => push({ message: { ...content(), from: "nobody", mark } }),
    /** Telegram leaves out numbers. */
    skip: (count: number) => void (nextId += count),
    /** After a week without updates the next number may be any. */
    beginAnew: (id: number) => void (nextId = id)
  }
}

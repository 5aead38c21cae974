/**
 * A Bot API as a table, whose calls end as a script says: done or not, answered or not, and with the Gateway alive or dead.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Api, TelegramError } from "../../src/layers/telegram/Api.ts"
import { previewMark } from "../../src/layers/telegram/preview.ts"

/** How a call ends. The dead hear no answer. */
export const Ending = Schema.Literals([
  "fine",
  "lost, done",
  "lost, not done",
  "429",
  "unreached",
  "dies before",
  "dies after",
  "taken away first"
])
export type Ending = typeof Ending.Type

export interface ChatMessage {
  readonly id: number
  /** What it showed, in order. */
  readonly shown: Array<string>
  deleted: boolean
}

export class Chat {
  readonly messages: Array<ChatMessage> = []
  private readonly script: Array<Ending>
  /** Done when the Gateway is dead. */
  death = Deferred.makeUnsafe<void>()

  constructor(script: ReadonlyArray<Ending>) {
    this.script = [...script]
  }

  get alive(): ReadonlyArray<ChatMessage> {
    return this.messages.filter((message) => !message.deleted)
  }

  /** Messages that show nothing but a beginning. */
  get previews(): ReadonlyArray<ChatMessage> {
    return this.alive.filter(({ shown }) => shown.length === 1 && shown[0]!.endsWith(previewMark))
  }

  /** Carries out a call; a text says why it is refused. */
  private carryOut(method: string, params: { readonly text: string; readonly message_id?: number }): number | string {
    if (method === "sendMessage") {
      const id = this.messages.length + 1
      this.messages.push({ id, shown: [params.text], deleted: false })
      return id
    }
    const message = this.alive.find(({ id }) => id === params.message_id)
    if (message === undefined) return "Bad Request: message to edit not found"
    if (message.shown.at(-1) === params.text) return "Bad Request: message is not modified"
    message.shown.push(params.text)
    return message.id
  }

  /** The calls of one life of the Gateway. */
  readonly api: Api = {
    call: (method, params, result) =>
      Effect.suspend(() => {
        const fields = params as { readonly text: string; readonly message_id?: number }
        const ending = this.script.shift() ?? "fine"
        const failure = (kind: TelegramError["kind"], message: string, more: { readonly code?: number } = {}) =>
          Effect.fail(new TelegramError({ method, kind, genuine: true, message, ...more }))
        const die = Effect.andThen(Deferred.succeed(this.death, undefined), Effect.never)
        if (ending === "dies before") return die
        if (ending === "lost, not done") return failure("lost", "no answer")
        if (ending === "unreached") return failure("unreached", "nobody there")
        if (ending === "429") return failure("refused", "Too Many Requests", { code: 429 })
        if (ending === "taken away first") {
          const preview = this.previews.find(({ id }) => id === fields.message_id)
          if (preview !== undefined) preview.deleted = true
        }
        const done = this.carryOut(method, fields)
        if (ending === "dies after") return die
        if (ending === "lost, done") return failure("lost", "no answer")
        if (typeof done === "string") return failure("refused", done, { code: 400 })
        return Effect.orDie(Schema.decodeUnknownEffect(result)({ message_id: done } as unknown))
      })
  }
}

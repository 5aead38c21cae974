/**
 * What carries messages over a link: a call that is answered, an HTTP client, a language model, a connection of frames. Each
 * asks the link for the fate of what it carries.
 */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { network, STREAM_CUT } from "../../layers/models/errors.ts"
import type { Models, ResolvedModel } from "../../services/Models.ts"
import type { Link } from "./Link.ts"

const cannotComeTwice = (link: Link, what: string) =>
  Effect.die(
    new Error(
      `Faults: the answer to "${what}" on the link "${link.name}" cannot come twice: it is the return of a call. Duplicate the request, or use a connection (GatewayTest.connect), whose frames can.`
    )
  )

/**
 * A call that is answered once. A request that is lost never arrives; one that comes twice is carried out twice, and the second
 * answer counts. `cut` is how the caller learns that the link broke.
 */
export const exchange =
  <E2>(link: Link, what: string, cut: () => E2) =>
  <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> => {
    const answered = Effect.gen(function* () {
      const asked = link.decide({ way: "request", what })
      if (asked.fate === "cut" || asked.fate === "dropped") return yield* Effect.never
      if (asked.fate === "delayed") yield* Effect.sleep(asked.delay)
      if (asked.fate === "duplicated") yield* Effect.exit(call)
      const answer = yield* Effect.exit(call)
      const back = link.decide({ way: "answer", what })
      if (back.fate === "cut" || back.fate === "dropped") return yield* Effect.never
      if (back.fate === "duplicated") return yield* cannotComeTwice(link, what)
      if (back.fate === "delayed") yield* Effect.sleep(back.delay)
      return yield* answer
    })
    const broken = Effect.flatMap(link.broken, () => Effect.fail(cut()))
    return Effect.raceFirst(answered, broken)
  }

/** Requests that `whatOf` names pass over the link; others pass as they are. */
export const httpClient = (
  link: Link,
  client: HttpClient.HttpClient,
  whatOf: (url: URL) => string | undefined
): HttpClient.HttpClient =>
  HttpClient.transform(client, (call, request) => {
    const what = URL.canParse(request.url) ? whatOf(new URL(request.url)) : undefined
    if (what === undefined) return call
    const cut = () =>
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, description: `the link "${link.name}" is cut` })
      })
    return exchange(link, what, cut)(call)
  })

const failed = (method: string, description: string) =>
  AiError.make({ module: "Faults", method, reason: network(description) })

/** A model's whole answer is one message; a link that is cut in its middle breaks the stream off. */
const streamed = <A, R>(link: Link, what: string, stream: Stream.Stream<A, AiError.AiError, R>) =>
  Stream.unwrap(
    Effect.sync(() => {
      const asked = link.decide({ way: "request", what })
      if (asked.fate === "cut") return Stream.fail(failed("streamText", "the connection was refused"))
      const answer = Effect.gen(function* () {
        if (asked.fate === "dropped") return Stream.never
        if (asked.fate === "delayed") yield* Effect.sleep(asked.delay)
        if (asked.fate === "duplicated") yield* Effect.exit(Stream.runDrain(stream))
        const back = link.decide({ way: "answer", what })
        if (back.fate === "dropped") return Stream.never
        if (back.fate === "duplicated") return yield* cannotComeTwice(link, what)
        if (back.fate === "delayed") yield* Effect.sleep(back.delay)
        return stream
      })
      const broken = Effect.flatMap(link.broken, () => Effect.fail(failed("streamText", STREAM_CUT)))
      return Stream.interruptWhen(Stream.unwrap(answer), broken)
    })
  )

/** The same model at the other end of the link. */
export const languageModel = (
  link: Link,
  what: string,
  model: LanguageModel.LanguageModel
): LanguageModel.LanguageModel => {
  const once = exchange(link, what, () => failed("generateText", "the connection broke"))
  type Once = (options: never) => Effect.Effect<unknown, AiError.AiError, unknown>
  type Streaming = (options: never) => Stream.Stream<unknown, AiError.AiError, unknown>
  const generateText = model.generateText as Once
  const generateObject = model.generateObject as Once
  const streamText = model.streamText as Streaming
  // What is carried is untouched, so each method keeps its own type.
  return {
    ...model,
    generateText: ((options: never) => once(generateText(options))) as typeof model.generateText,
    generateObject: ((options: never) => once(generateObject(options))) as typeof model.generateObject,
    streamText: ((options: never) => streamed(link, what, streamText(options))) as typeof model.streamText
  }
}

/** Models whose every answer comes over the link. */
export const models = (link: Link, service: Models["Service"]): Models["Service"] => {
  const over = (found: ResolvedModel): ResolvedModel => ({
    ...found,
    service: languageModel(link, found.ref, found.service),
    ...(found.next === undefined ? undefined : { next: Effect.map(found.next, over) })
  })
  return { ...service, resolve: (ref, agentId) => Effect.map(service.resolve(ref, agentId), over) }
}

/** A connection of text frames, as the client has one. */
export interface Frames<E> {
  readonly send: (text: string) => Effect.Effect<void, E>
  readonly receive: Effect.Effect<string, E>
  readonly close: (code: number, reason: string) => Effect.Effect<void>
}

const Named = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.optional(Schema.String),
    method: Schema.optional(Schema.String),
    event: Schema.optional(Schema.String)
  })
)
const decodeNamed = Schema.decodeUnknownOption(Named)

/** A frame's method or event; `res` for an answer. */
const whatOf = (text: string): string => {
  const found = decodeNamed(text)
  if (found._tag === "None") return "frame"
  const { event, method, type } = found.value
  return method ?? event ?? type ?? "frame"
}

/** A connection over the link. Frames keep their order: behind one that is late, the others wait. */
export const frames = Effect.fnUntraced(function* <E>(link: Link, connection: Frames<E>, cut: () => E) {
  const sending = yield* Semaphore.make(1)
  const again: Array<string> = []
  const broken = Effect.flatMap(link.broken, () => Effect.fail(cut()))
  const receive: Effect.Effect<string, E> = Effect.gen(function* () {
    while (true) {
      const twice = again.shift()
      if (twice !== undefined) return twice
      const text = yield* connection.receive
      const { delay, fate } = link.decide({ way: "answer", what: whatOf(text) })
      if (fate === "cut") return yield* Effect.fail(cut())
      if (fate === "dropped") continue
      if (fate === "delayed") yield* Effect.sleep(delay)
      if (fate === "duplicated") again.push(text)
      return text
    }
  })
  const send = (text: string) =>
    Effect.gen(function* () {
      const { delay, fate } = link.decide({ way: "request", what: whatOf(text) })
      if (fate === "cut") return yield* Effect.fail(cut())
      if (fate === "dropped") return
      if (fate === "delayed") yield* Effect.sleep(delay)
      yield* connection.send(text)
      if (fate === "duplicated") yield* connection.send(text)
    })
  return {
    ...connection,
    send: (text: string) => Effect.raceFirst(sending.withPermit(send(text)), broken),
    receive: Effect.raceFirst(receive, broken)
  } satisfies Frames<E>
})

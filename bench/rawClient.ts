/**
 * A Gateway client of a few lines, so that what is measured is the Gateway. It signs like a real one, and then only counts.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { WebSocket } from "ws"
import { connectParams, type Introduction } from "../src/client/Handshake.ts"
import type { Endpoint } from "../src/domain/Endpoint.ts"
import { VERSION } from "../src/domain/Version.ts"
import { secret } from "./subject.ts"

/** What came to nothing: HTTP 503, a refused handshake or request, a cut connection. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

export interface RawClient {
  readonly send: (text: string) => void
  /** Gets every frame after `hello-ok`, as text. */
  onFrame: (text: string) => void
  /** Is called once when the connection ends. */
  onClose: (reason: Refused) => void
}

const operator: Pick<Introduction, "client" | "role" | "scopes"> = {
  client: { id: "gateway-client", mode: "backend", version: VERSION, platform: "linux" },
  role: "operator",
  scopes: ["operator.read", "operator.write"]
}

/** Connects and waits for `hello-ok`; the scope's end cuts the connection. */
export const open = (endpoint: Endpoint, who: Partial<Introduction> = {}) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly client: RawClient; readonly socket: WebSocket }, Refused>((resume) => {
      const socket = new WebSocket(endpoint, { perMessageDeflate: false })
      const client: RawClient = {
        send: (text) => socket.send(text),
        onFrame: () => undefined,
        onClose: () => undefined
      }
      const refuse = (message: string) => {
        const reason = new Refused({ message })
        socket.terminate()
        client.onClose(reason)
        client.onClose = () => undefined
        resume(Effect.fail(reason))
      }
      let greeted = false
      socket.on("message", (data: Buffer) => {
        const text = data.toString()
        if (greeted) return client.onFrame(text)
        const frame = JSON.parse(text)
        if (frame.event === "connect.challenge") {
          const params = connectParams({ ...operator, credentials: [secret], ...who }, frame.payload)
          socket.send(JSON.stringify({ type: "req", id: "connect", method: "connect", params }))
        } else if (frame.id === "connect") {
          greeted = true
          if (frame.ok) resume(Effect.succeed({ client, socket }))
          else refuse(frame.error.message)
        }
      })
      socket.on("error", (error) => refuse(error.message))
      socket.on("close", (code, reason) => refuse(`the connection was closed with ${code} ${reason.toString()}`.trim()))
      return Effect.sync(() => socket.terminate())
    }),
    ({ client, socket }) =>
      Effect.sync(() => {
        client.onClose = () => undefined
        socket.terminate()
      }),
    { interruptible: true }
  ).pipe(Effect.map(({ client }) => client))

/** Some thousand frames a second go by: the id stands at the front of every frame that was seen so far. */
const idOf = (text: string): string => /^\{"type":"res","id":"([^"]*)"/.exec(text)?.[1] ?? String(JSON.parse(text).id)

const isResponse = (text: string): boolean => text.startsWith('{"type":"res"')
/** The parts of a frame stand in this order; a payload is never looked into. */
const isOk = (text: string): boolean => /^.{0,90}"ok":true/.test(text)

interface ResponseFrame {
  readonly ok: boolean
  readonly payload?: { readonly status?: string; readonly [key: string]: unknown }
  readonly error?: { readonly code?: string; readonly message?: string }
}

export type Ask = (method: string, params: object) => Effect.Effect<NonNullable<ResponseFrame["payload"]>, Refused>

/** Requests with answers, over a connection that does nothing else. Of `agent` the second answer counts, the turn's end. */
export const asking = (client: RawClient): Ask => {
  const waiting = new Map<string, (frame: ResponseFrame | Refused) => void>()
  let sent = 0
  client.onFrame = (text) => {
    if (!isResponse(text)) return
    const id = idOf(text)
    const frame: ResponseFrame = JSON.parse(text)
    if (frame.ok && frame.payload?.status === "accepted") return
    waiting.get(id)?.(frame)
    waiting.delete(id)
  }
  client.onClose = (reason) => {
    for (const resume of waiting.values()) resume(reason)
    waiting.clear()
  }
  return (method, params) =>
    Effect.callback((resume) => {
      const id = String(++sent)
      waiting.set(id, (frame) =>
        resume(
          frame instanceof Refused
            ? Effect.fail(frame)
            : frame.ok
              ? Effect.succeed(frame.payload ?? {})
              : Effect.fail(
                  new Refused({ message: `${method} was refused: ${frame.error?.code} ${frame.error?.message}` })
                )
        )
      )
      client.send(JSON.stringify({ type: "req", id, method, params }))
      return Effect.sync(() => waiting.delete(id))
    })
}

export interface Pumped {
  readonly latencies: ReadonlyArray<number>
  readonly refused: number
  readonly ms: number
  /** The first refusal. */
  readonly refusal: string | undefined
}

export interface Pumping {
  /** Open on each connection at any time. */
  readonly inFlight: number
  readonly ms: number
  /** The text of a request; `id` is a number that comes once in a connection's life. */
  readonly frame: (id: string) => string
}

let pumped = 0

/** Keeps requests open on each connection for so long, and waits for the last answer. */
export const pump = (clients: ReadonlyArray<RawClient>, { frame, inFlight, ms }: Pumping) =>
  Effect.callback<Pumped, Refused>((resume) => {
    const latencies: Array<number> = []
    const since = new Map<string, number>()
    let refused = 0
    let refusal: string | undefined
    const started = performance.now()
    const ask = (client: RawClient) => {
      const id = String(++pumped)
      since.set(id, performance.now())
      client.send(frame(id))
    }
    const leave = () => {
      for (const client of clients) {
        client.onFrame = () => undefined
        client.onClose = () => undefined
      }
    }
    const end = (result: Effect.Effect<Pumped, Refused>) => {
      leave()
      resume(result)
    }
    for (const client of clients) {
      client.onClose = (reason) => end(Effect.fail(reason))
      client.onFrame = (text) => {
        if (!isResponse(text)) return
        const id = idOf(text)
        const at = since.get(id)
        if (at === undefined) return
        since.delete(id)
        const now = performance.now()
        if (isOk(text)) latencies.push(now - at)
        else {
          refused++
          refusal ??= text.slice(0, 300)
        }
        if (now - started < ms) ask(client)
        else if (since.size === 0) end(Effect.succeed({ latencies, refused, refusal, ms: now - started }))
      }
    }
    for (const client of clients) for (let index = 0; index < inFlight; index++) ask(client)
    return Effect.sync(leave)
  })

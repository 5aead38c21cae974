/**
 * A Gateway client of a few lines, so that what is measured is the Gateway. It signs like a real one, and then only counts.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { WebSocket } from "ws"
import type { DeviceIdentity } from "../src/client/DeviceIdentity.ts"
import { connectParams } from "../src/client/Handshake.ts"
import type { Endpoint } from "../src/domain/Endpoint.ts"
import { VERSION } from "../src/domain/Version.ts"
import { secret } from "./subject.ts"

/** An attempt to connect that came to nothing: HTTP 503, a refused handshake, a cut connection. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

export interface RawClient {
  readonly socket: WebSocket
  /** Gets every frame after `hello-ok`, as text. */
  onFrame: (text: string) => void
}

interface Who {
  readonly device?: DeviceIdentity
  readonly scopes: ReadonlyArray<string>
}

/** Connects and waits for `hello-ok`; the scope's end cuts the connection. */
export const open = (endpoint: Endpoint, who: Who) =>
  Effect.acquireRelease(
    Effect.callback<RawClient, Refused>((resume) => {
      const socket = new WebSocket(endpoint, { perMessageDeflate: false })
      const client: RawClient = { socket, onFrame: () => undefined }
      const refuse = (message: string) => {
        socket.terminate()
        resume(Effect.fail(new Refused({ message })))
      }
      let greeted = false
      socket.on("message", (data: Buffer) => {
        const text = data.toString()
        if (greeted) return client.onFrame(text)
        const frame = JSON.parse(text)
        if (frame.event === "connect.challenge") {
          const params = connectParams(
            {
              client: { id: "gateway-client", mode: "backend", version: VERSION, platform: "linux" },
              role: "operator",
              scopes: who.scopes,
              credentials: [secret],
              device: who.device
            },
            frame.payload
          )
          socket.send(JSON.stringify({ type: "req", id: "connect", method: "connect", params }))
        } else if (frame.id === "connect") {
          greeted = true
          if (frame.ok) resume(Effect.succeed(client))
          else refuse(frame.error.message)
        }
      })
      socket.on("error", (error) => refuse(error.message))
      socket.on("close", (code, reason) => refuse(`closed: ${code} ${reason.toString()}`))
    }),
    ({ socket }) => Effect.sync(() => socket.terminate())
  )

export interface Pumped {
  readonly answered: number
  readonly refused: number
  readonly ms: number
}

/** Keeps `inFlight` requests open on each connection for so many milliseconds, and counts what came back. */
export const pump = (clients: ReadonlyArray<RawClient>, inFlight: number, method: string, ms: number) =>
  Effect.callback<Pumped, Refused>((resume) => {
    let answered = 0
    let refused = 0
    let open = 0
    let sent = 0
    const started = performance.now()
    const ask = ({ socket }: RawClient) => {
      open++
      socket.send(`{"type":"req","id":"${++sent}","method":"${method}","params":{}}`)
    }
    const onClose = (code: number) => end(Effect.fail(new Refused({ message: `closed with ${code}` })))
    const end = (result: Effect.Effect<Pumped, Refused>) => {
      for (const { socket } of clients) socket.off("close", onClose)
      resume(result)
    }
    for (const client of clients) {
      client.socket.on("close", onClose)
      client.onFrame = (text) => {
        if (!text.startsWith('{"type":"res"')) return
        open--
        // Every frame that was measured here has its parts in this order; a payload is never looked into.
        if (/^.{0,60}"ok":true/.test(text)) answered++
        else refused++
        const now = performance.now() - started
        if (now < ms) ask(client)
        else if (open === 0) end(Effect.succeed({ answered, refused, ms: now }))
      }
      for (let index = 0; index < inFlight; index++) ask(client)
    }
  })

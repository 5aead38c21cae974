/**
 * One WebSocket as a scoped resource. The only file that knows which WebSocket library is used.
 */
import type { LookupFunction } from "node:net"
import type { TLSSocket } from "node:tls"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type RawData, WebSocket } from "ws"
import type { Endpoint } from "../domain/Endpoint.ts"
import { pin, type TlsFingerprint, type TlsPinWithoutTls } from "../domain/TlsFingerprint.ts"
import { MAX_BUFFERED_BYTES, MAX_PAYLOAD } from "../protocol/Frame.ts"
import { ConnectionClosed, type GatewayUnreachable, printable, TlsFingerprintMismatch } from "./errors.ts"
import { HostLookup, judged } from "./finalHop.ts"
import { pinnedSocket } from "./pinnedSocket.ts"
import { unreachable } from "./unreachable.ts"

export interface Connection {
  /** Hands one text frame to the socket; fails when the connection is closed or its buffer is full. */
  readonly send: (text: string) => Effect.Effect<void, ConnectionClosed>
  /** The next message as text, in order; fails with how the connection ended once it did. */
  readonly receive: Effect.Effect<string, ConnectionClosed>
  /** Closes with this code. `receive` fails at once; the peer's own close frame is not waited for. */
  readonly close: (code: number, reason: string) => Effect.Effect<void>
}

/** Why nothing more is sent on a connection that is there: `1013`, and this. */
export const NOT_READ = "the Gateway does not read what is sent"

/** Messages that may wait for the reader before the socket is told to stop reading. */
const HIGH_WATER = 1024
const LOW_WATER = 256
/** Real milliseconds that a peer has to answer a close frame before its socket is destroyed. */
const CLOSE_TIMEOUT_MS = 1000

const textOf = (data: RawData): string =>
  (Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data)).toString("utf8")

/** How a connection ends by a frame that is not read: its close code, and why. */
const unreadable = (error: Error): readonly [code: number | undefined, reason: string] => {
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
    return [1009, `the Gateway sent a message of more than ${MAX_PAYLOAD} bytes`]
  }
  return code.startsWith("WS_ERR_")
    ? [1002, `the Gateway sent what is no WebSocket frame: ${error.message}`]
    : [undefined, ""]
}

/** `over` is the connection to use, where one stands already. */
const dial = (
  endpoint: Endpoint,
  lookup: LookupFunction,
  headers: Readonly<Record<string, string>>,
  over?: TLSSocket
): WebSocket => {
  const options = {
    headers,
    maxPayload: MAX_PAYLOAD,
    perMessageDeflate: false,
    // A redirect would carry the token to a host that nobody named.
    followRedirects: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    lookup,
    ...(over === undefined ? undefined : { createConnection: () => over })
  }
  return new WebSocket(endpoint, options)
}

export type OpenError = GatewayUnreachable | TlsFingerprintMismatch | TlsPinWithoutTls

/**
 * Opens a socket; the scope's end closes it with 1000. Waits as long as the system does: the caller sets the deadline. With a
 * fingerprint the peer's certificate is judged by it alone, and before anything is sent. `headers` go with the upgrade request.
 */
export const open: (
  endpoint: Endpoint,
  tlsFingerprint?: TlsFingerprint,
  headers?: Readonly<Record<string, string>>
) => Effect.Effect<Connection, OpenError, Scope.Scope> = Effect.fnUntraced(function* (
  endpoint,
  tlsFingerprint,
  headers = {}
) {
  const pinned = tlsFingerprint === undefined ? undefined : yield* Effect.fromResult(pin(endpoint, tlsFingerprint))
  const lookup = judged(endpoint, yield* HostLookup)
  const messages = yield* Queue.unbounded<string, ConnectionClosed>()
  let paused = false
  let ended: ConnectionClosed | undefined
  const end = (code: number, reason: string) => {
    if (ended !== undefined) return
    ended = new ConnectionClosed({ code, reason: printable(reason) })
    Queue.failCauseUnsafe(messages, Cause.fail(ended))
  }

  const socket = yield* Effect.acquireRelease(
    Effect.callback<WebSocket, OpenError>((resume) => {
      const failed = (error: Error) =>
        resume(Effect.fail(error instanceof TlsFingerprintMismatch ? error : unreachable(endpoint, error)))
      const start = (over?: TLSSocket) => {
        const ws = dial(endpoint, lookup, headers, over)
        ws.on("message", (data) => {
          Queue.offerUnsafe(messages, textOf(data))
          if (!paused && Queue.sizeUnsafe(messages) > HIGH_WATER) {
            paused = true
            ws.pause()
          }
        })
        ws.on("close", (code, reason) => end(code, reason.toString("utf8")))
        ws.once("open", () => resume(Effect.succeed(ws)))
        // Stays for the socket's life: what `close` says after an error of ours is that the peer said nothing.
        ws.on("error", (error) => {
          failed(error)
          const [code, reason] = unreadable(error)
          if (code !== undefined) end(code, reason)
        })
        cancel = () => ws.terminate()
      }
      let cancel = () => {}
      if (pinned === undefined) start()
      else cancel = pinnedSocket(endpoint, pinned, start, failed)
      return Effect.sync(() => cancel())
    }),
    (ws) =>
      Effect.sync(() => {
        end(1000, "closed by this client")
        ws.resume()
        ws.close(1000)
      }),
    { interruptible: true }
  )

  const resumeReading = () => {
    if (!paused || Queue.sizeUnsafe(messages) > LOW_WATER) return
    paused = false
    socket.resume()
  }

  return {
    send: (text) =>
      Effect.suspend(() => {
        if (ended !== undefined) return Effect.fail(ended)
        if (socket.readyState !== WebSocket.OPEN) return Effect.fail(new ConnectionClosed({ code: 1006, reason: "" }))
        if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
          return Effect.fail(new ConnectionClosed({ code: 1013, reason: NOT_READ }))
        }
        socket.send(text)
        return Effect.void
      }),
    receive: Effect.tap(Queue.take(messages), () => Effect.sync(resumeReading)),
    close: (code, reason) =>
      Effect.sync(() => {
        // A paused socket would never see the peer's close frame.
        socket.resume()
        end(code, reason)
        socket.close(code, reason)
      })
  }
})

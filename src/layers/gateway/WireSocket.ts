/**
 * One WebSocket as the Gateway uses it: messages as a queue that stops the peer when it is full, writes that never wait.
 *
 * The kernel's and `ws`'s buffers are the only write queue; its bytes are what `maxBufferedBytes` bounds, so a peer that
 * does not read costs a known amount and is closed alone.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { WebSocket } from "ws"

/** Messages, and their bytes, read ahead of the connection's fiber before the peer is stopped. */
const READ_AHEAD = 64
const READ_AHEAD_BYTES = 1_048_576
/** Pings that a peer may leave unanswered, and be silent in all the time, before it is taken for gone. */
const MAX_UNANSWERED = 2
/** A close frame's reason may hold 123 bytes; OpenClaw cuts its own at this many. */
const MAX_REASON_BYTES = 120

export interface WireSocket {
  /** The next message; ends with `Done` when the socket has closed and every message was read. */
  readonly receive: Effect.Effect<Uint8Array, Cause.Done>
  /** Hands a text message to the socket; `false` when it is closed or was just closed for reading too slowly. */
  readonly sendUnsafe: (text: string) => boolean
  /**
   * Starts the closing handshake; the socket is cut when the peer does not answer it in time. What the peer said and
   * nobody has read by then is dropped.
   */
  readonly closeUnsafe: (code: number, reason: string) => void
  /** Asks whether the peer is still there; cuts the connection and gives `false` when it left two questions unanswered. */
  readonly probeUnsafe: () => boolean
  /** Cuts the connection. */
  readonly terminateUnsafe: () => void
  /** The peer was let in: it may send larger messages, and several before the first is handled. */
  readonly admitUnsafe: (maxPayload: number) => void
  readonly bufferedBytes: () => number
  readonly closed: Effect.Effect<void>
}

/** `text` cut to what fits a close frame, never inside a character. */
export const truncateReason = (text: string): string => {
  const bytes = Buffer.from(text, "utf8")
  if (bytes.length <= MAX_REASON_BYTES) return text
  let end = MAX_REASON_BYTES
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end).toString("utf8")
}

const asBytes = (data: Buffer | ArrayBuffer | Array<Buffer>): Uint8Array =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data

/** `ws` has no public setter for the limit of a socket that is open. */
interface Receiver {
  readonly _receiver?: { _maxPayload: number }
}

/** Wraps a socket until the scope closes, which cuts it if it is still open. */
export const make = Effect.fnUntraced(function* (
  socket: WebSocket,
  options: { readonly maxBufferedBytes: number }
): Effect.fn.Return<WireSocket, never, Scope.Scope> {
  const messages = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const closed = yield* Deferred.make<void>()
  let paused = false
  let admitted = false
  let closing = false
  let waitingBytes = 0
  let unanswered = 0

  // A stranger says one thing at a time.
  const full = () => Queue.sizeUnsafe(messages) >= (admitted ? READ_AHEAD : 1) || waitingBytes >= READ_AHEAD_BYTES
  const onMessage = (data: Buffer | ArrayBuffer | Array<Buffer>) => {
    if (closing) return
    unanswered = 0
    const bytes = asBytes(data)
    waitingBytes += bytes.byteLength
    Queue.offerUnsafe(messages, bytes)
    if (!paused && full()) {
      paused = true
      socket.pause()
    }
  }
  const onAlive = () => {
    unanswered = 0
  }
  const onClose = () => {
    Queue.endUnsafe(messages)
    Deferred.doneUnsafe(closed, Effect.void)
  }
  // ws answers a protocol error with its close code by itself; the event only must not go unheard.
  const onError = () => undefined
  socket.on("message", onMessage)
  socket.on("ping", onAlive)
  socket.on("pong", onAlive)
  socket.on("close", onClose)
  socket.on("error", onError)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      if (socket.readyState !== socket.CLOSED && socket.readyState !== socket.CLOSING) socket.terminate()
      socket.off("message", onMessage)
      Queue.endUnsafe(messages)
    })
  )

  const closeUnsafe = (code: number, reason: string) => {
    closing = true
    // The peer's own close frame is to be read.
    if (paused) socket.resume()
    paused = false
    socket.close(code, truncateReason(reason))
  }

  const receive: WireSocket["receive"] = Effect.flatMap(Queue.take(messages), (bytes) => {
    if (closing) return receive
    waitingBytes -= bytes.byteLength
    if (paused && !full()) {
      paused = false
      socket.resume()
    }
    return Effect.succeed(bytes)
  })

  return {
    receive,
    sendUnsafe: (text) => {
      if (socket.readyState !== socket.OPEN) return false
      // A character is at most three bytes of UTF-8: only a frame that might not fit is measured.
      const room = options.maxBufferedBytes - socket.bufferedAmount
      if (text.length * 3 > room && Buffer.byteLength(text) > room) {
        closeUnsafe(1008, "slow consumer")
        return false
      }
      socket.send(text)
      return true
    },
    closeUnsafe,
    probeUnsafe: () => {
      // A peer that is not read cannot be heard either.
      if (paused || socket.readyState !== socket.OPEN) return true
      if (unanswered >= MAX_UNANSWERED) {
        socket.terminate()
        return false
      }
      unanswered++
      socket.ping()
      return true
    },
    terminateUnsafe: () => socket.terminate(),
    admitUnsafe: (maxPayload) => {
      admitted = true
      const receiver = (socket as unknown as Receiver)._receiver
      if (receiver !== undefined) receiver._maxPayload = maxPayload
    },
    bufferedBytes: () => socket.bufferedAmount,
    closed: Deferred.await(closed)
  }
})

/**
 * A socket that is none: the two ends of a connection inside this process, with the bounds that a WebSocket's have.
 *
 * Frames pass as text, as they would on the wire, so that nothing is shared by reference and neither end can tell the difference.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { InProcessClosed, type InProcessSocket } from "../../services/Gateway.ts"
import { truncateReason, type WireSocket } from "./WireSocket.ts"

/** Messages read ahead of the connection's fiber before whoever sends has to wait. */
const READ_AHEAD = 64

export interface Ends {
  /** The Gateway's. */
  readonly socket: WireSocket
  /** Of whoever connects. */
  readonly peer: InProcessSocket
}

/** Two ends that nobody holds yet; closing one closes the other. */
export const make = Effect.fnUntraced(function* (options: {
  readonly maxBufferedBytes: number
}): Effect.fn.Return<Ends> {
  const toGateway = yield* Queue.bounded<Uint8Array, Cause.Done>(READ_AHEAD)
  const toPeer = yield* Queue.unbounded<string, InProcessClosed>()
  const closed = yield* Deferred.make<void>()
  let buffered = 0
  let ended: InProcessClosed | undefined

  const end = (code: number, reason: string) => {
    if (ended !== undefined) return
    ended = new InProcessClosed({ code, reason: truncateReason(reason) })
    Queue.endUnsafe(toGateway)
    // What was said before is still heard.
    Queue.failCauseUnsafe(toPeer, Cause.fail(ended))
    Deferred.doneUnsafe(closed, Effect.void)
  }

  return {
    socket: {
      receive: Queue.take(toGateway),
      sendUnsafe: (text) => {
        if (ended !== undefined) return false
        const bytes = Buffer.byteLength(text)
        if (buffered + bytes > options.maxBufferedBytes) {
          end(1008, "slow consumer")
          return false
        }
        buffered += bytes
        Queue.offerUnsafe(toPeer, text)
        return true
      },
      closeUnsafe: end,
      probeUnsafe: () => true,
      terminateUnsafe: () => end(1006, ""),
      admitUnsafe: () => {},
      bufferedBytes: () => buffered,
      closed: Deferred.await(closed)
    },
    peer: {
      send: (text) =>
        Effect.suspend(() =>
          ended === undefined ? Queue.offer(toGateway, new TextEncoder().encode(text)) : Effect.succeed(false)
        ).pipe(
          Effect.flatMap((taken) =>
            taken ? Effect.void : Effect.fail(ended ?? new InProcessClosed({ code: 1006, reason: "" }))
          )
        ),
      receive: Effect.tap(Queue.take(toPeer), (text) =>
        Effect.sync(() => {
          buffered -= Buffer.byteLength(text)
        })
      ),
      close: (code, reason) => Effect.sync(() => end(code, reason))
    }
  }
})

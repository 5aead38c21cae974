/**
 * The JSON body of a request, within a limit of bytes and time.
 */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseJson } from "../parseJson.ts"
import type { Exchange } from "./respond.ts"

/** What was wrong with the body; `status` is the answer's. */
export class BodyRefused extends Schema.TaggedError<BodyRefused>()("BodyRefused", {
  status: Schema.Literals([400, 408, 413, 415]),
  message: Schema.String
}) {}

const tooLarge = () => new BodyRefused({ status: 413, message: "Payload too large" })

const collect = (request: IncomingMessage, maxBytes: number): Effect.Effect<Buffer, BodyRefused> =>
  Effect.callback<Buffer, BodyRefused>((resume) => {
    const pieces: Array<Buffer> = []
    let size = 0
    const onData = (piece: Buffer) => {
      size += piece.length
      if (size > maxBytes) {
        leave()
        resume(Effect.fail(tooLarge()))
      } else pieces.push(piece)
    }
    const onEnd = () => resume(Effect.succeed(Buffer.concat(pieces)))
    const onClose = () =>
      resume(
        request.complete
          ? Effect.succeed(Buffer.concat(pieces))
          : Effect.fail(new BodyRefused({ status: 400, message: "the body ended before it was complete" }))
      )
    const leave = () => {
      request.off("data", onData).off("end", onEnd).off("close", onClose)
      // What still comes is thrown away, or the client could not be told.
      request.resume()
    }
    request.on("data", onData).on("end", onEnd).on("close", onClose)
    return Effect.sync(leave)
  })

/** Reads it. No body is the empty object, as OpenClaw has it. A compressed body is refused unread. */
export const readJson = Effect.fnUntraced(function* (
  { bodyTimeoutMs, request }: Exchange,
  maxBytes: number
): Effect.fn.Return<unknown, BodyRefused> {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (encoding !== "identity") {
    return yield* new BodyRefused({ status: 415, message: `content-encoding ${encoding} is not supported` })
  }
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return yield* tooLarge()
  const bytes = yield* Effect.timeoutOrElse(collect(request, maxBytes), {
    duration: bodyTimeoutMs,
    orElse: () => Effect.fail(new BodyRefused({ status: 408, message: "Request body timeout" }))
  })
  if (bytes.length === 0) return {}
  const parsed = parseJson(bytes)
  if (parsed === undefined) return yield* new BodyRefused({ status: 400, message: "the body is not JSON" })
  if (parsed._tag === "Refused") {
    return yield* new BodyRefused({ status: 400, message: `the body is ${parsed.problem}` })
  }
  return parsed.json
})

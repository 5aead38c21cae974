/**
 * A model that answers at once: an OpenAI-compatible server on loopback that streams one short sentence and knows how
 * much time it took itself.
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import { eventsOf } from "../src/testing/provider/wire.ts"

const ANSWER = eventsOf("openai-chat", {
  text: ["Everything", " is", " as", " it", " should", " be", "."],
  usage: { input: 10, output: 7 }
})

export interface InstantModel {
  /** For `models.providers.<name>.baseUrl`. */
  readonly baseUrl: string
  /** Milliseconds spent on answers so far, from the end of a request to the end of its answer. */
  readonly spentMs: () => number
}

/** Serves until the scope closes. */
export const serve = Effect.gen(function* () {
  let spentMs = 0
  const server = Http.createServer((request, response) => {
    request.resume()
    request.on("end", () => {
      const started = performance.now()
      response.on("finish", () => (spentMs += performance.now() - started))
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.end(ANSWER)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const { port } = server.address() as AddressInfo
  return { baseUrl: `http://127.0.0.1:${port}/v1`, spentMs: () => spentMs } satisfies InstantModel
})

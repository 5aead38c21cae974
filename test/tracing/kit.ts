/** A Gateway whose Telegram bot and node are the kit's, for tests that look at what it kept of a turn. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import type { TraceSpan } from "../../src/services/Traces.ts"
import type * as GatewayTest from "../../src/testing/GatewayTest.ts"
import type * as MockNode from "../../src/testing/MockNode.ts"
import { startFor } from "../e2e/kit.ts"

export const ada = { id: 7_319_462_550, firstName: "Ada" }

export const start = (options?: GatewayTest.GatewayTestOptions) => startFor(ada, options)

export const laptop: MockNode.MockNodeOptions = {
  nodeId: "laptop-1",
  displayName: "laptop",
  commands: { "device.status": Effect.succeed({ uptimeSeconds: 60, hostname: "laptop" }) }
}

/** `turn > model`: each span behind those that it is in; a span whose parent is not here begins a line. */
export const paths = (spans: ReadonlyArray<TraceSpan>): ReadonlyArray<string> => {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const pathOf = (span: TraceSpan): string => {
    const parent = span.parentId === undefined ? undefined : byId.get(span.parentId)
    return parent === undefined ? span.name : `${pathOf(parent)} > ${span.name}`
  }
  return spans.map(pathOf)
}

export const named = (spans: ReadonlyArray<TraceSpan>, name: string): TraceSpan => {
  const found = spans.find((span) => span.name === name)
  if (found === undefined) throw new Error(`there is no span ${name}`)
  return found
}

interface Got {
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

/** What a collector was sent. */
export const collector = Effect.fnUntraced(function* (status = 200) {
  const got: Array<Got> = []
  const server = Http.createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += String(chunk)))
    request.on("end", () => {
      got.push({ path: request.url ?? "", headers: request.headers, body })
      response.writeHead(status).end("{}")
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => (server.closeAllConnections(), server.close()))
  )
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
})

/** A Gateway whose Telegram bot and node are the kit's, for tests that look at what it kept of a turn. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { TraceSpan } from "../../src/services/Traces.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as MockNode from "../../src/testing/MockNode.ts"

export const ada = { id: 7_319_462_550, firstName: "Ada" }

export const start = Effect.fnUntraced(function* (options: GatewayTest.GatewayTestOptions = {}) {
  const bot = yield* BotApi.serve()
  const services = yield* Layer.build(
    GatewayTest.layer({
      ...options,
      config: {
        agents: { defaults: { model: "builtin/offline" } },
        ...options.config,
        channels: {
          telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] }
        }
      }
    })
  )
  yield* bot.awaitPolling
  return { bot, services, kit: Context.get(services, GatewayTest.GatewayTest) }
})

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

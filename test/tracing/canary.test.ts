/** Each secret, and all that people and models say, through a whole run: in nothing that tells how it went. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import { RECALL_CAP } from "../../src/protocol/EventTable.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import { home, run } from "../cli/kit.ts"
import { makeState, secret, startProcess } from "../e2e/gatewayProcess.ts"
import { ada, collector } from "./kit.ts"

const canary = (name: string) => `canary-${name}-0123456789abcdef`
const header = canary("header")
const modelKey = canary("modelKey")
const said = ["question", "answer", "params", "result", "nodesCode", "nodesError", "toolsName"].map(canary)
/** A command that there is not: whoever made it up, it is found where one looks for the turn, and nowhere else. */
const command = canary("command")

describe("a secret", () => {
  it.live(
    "is in no trace, no metric, nothing for a collector, and no log",
    () =>
      Effect.gen(function* () {
        const bot = yield* BotApi.serve()
        const { got, url } = yield* collector()
        const provider = Context.get(yield* Layer.build(ProviderServer.layer), ProviderServer.ProviderServer)
        const invoke = (name: string) =>
          JSON.stringify({ action: "invoke", command: name, params: { text: canary("params") } })
        yield* provider.push(
          {
            toolCalls: [
              { id: "c1", name: "nodes", arguments: invoke("device.info") },
              { id: "c2", name: "nodes", arguments: invoke("device.status") },
              { id: "c3", name: "nodes", arguments: invoke(command) },
              { id: "c4", name: canary("toolsName"), arguments: "{}" }
            ]
          },
          { text: [canary("answer")] }
        )
        const dir = yield* makeState({
          logging: { level: "trace" },
          agents: { defaults: { model: "mock/m" } },
          diagnostics: {
            otel: { enabled: true, endpoint: url, protocol: "http/json", headers: { authorization: header } }
          },
          models: {
            providers: {
              mock: {
                baseUrl: `${provider.url}/v1`,
                apiKey: modelKey,
                api: "openai-completions",
                models: [{ id: "m" }]
              }
            }
          },
          channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] } }
        })
        const gateway = yield* startProcess(dir)
        const operator = yield* gateway.connect({ device: yield* DeviceIdentity.ephemeral })
        const node = yield* gateway.connect({
          client: { id: "node-host", mode: "node", displayName: "Attic", version: "1.0.0", platform: "linux" },
          role: "node",
          scopes: [],
          commands: ["device.info", "device.status"],
          caps: [RECALL_CAP],
          device: yield* DeviceIdentity.ephemeral
        })
        const { pending } = yield* operator.call["node.pair.list"]({}).pipe(
          Effect.repeat({ until: (nodes) => nodes.pending.length > 0 })
        )
        yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
        yield* node.on("node.invoke.request").pipe(
          Stream.runForEach(({ command, id, nodeId, traceparent }) => {
            const spanId =
              (traceparent ?? "").split("-")[2]?.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) ?? ""
            const told = { id, nodeId, trace: { spanId, tookMs: 1 } }
            const error = { code: canary("nodesCode"), message: canary("nodesError") }
            return node.call["node.invoke.result"](
              command === "device.info"
                ? { ...told, ok: true, payloadJSON: JSON.stringify({ deviceName: canary("result") }) }
                : { ...told, ok: false, error }
            )
          }),
          Effect.forkScoped({ startImmediately: true })
        )
        yield* bot.sendText({ from: ada, text: canary("question") })
        const reply = yield* bot.awaitReply({ chatId: ada.id })
        assert.include(reply.text, canary("answer"))

        const { spans } = yield* operator.call["diagnostics.trace"]({}).pipe(
          Effect.repeat({
            until: (trace) => trace.spans.some(({ name, status }) => name === "turn" && status === "ok")
          })
        )
        assert.deepStrictEqual(
          spans
            .filter(({ name }) => name === "node")
            .map(({ error }) => error)
            .toSorted(),
          ["Failure", undefined]
        )
        const cli = { home: yield* home, variables: { OPENCLAW_STATE_DIR: dir } }
        const shown = yield* run(cli, "trace", "--last")
        assert.include(shown.stdout, "✗ Failure")
        const asData = yield* run(cli, "trace", "--json")
        const page = yield* Effect.promise(async () => {
          const headers = { authorization: `Bearer ${secret}` }
          return (await fetch(`http://127.0.0.1:${gateway.port}/metrics`, { headers })).text()
        })
        assert.include(page, 'tool="unknown"')
        yield* gateway.signal("SIGTERM")
        yield* gateway.ended
        assert.isTrue(got.some(({ path }) => path === "/v1/traces") && got.some(({ path }) => path === "/v1/metrics"))
        assert.isTrue(got.every(({ headers }) => headers.authorization === header))

        const db = new DatabaseSync(Path.join(dir, "state", "openclaw.sqlite"), { readOnly: true })
        const stored = JSON.stringify(db.prepare("SELECT * FROM trace_spans").all())
        const traces = JSON.stringify(db.prepare("SELECT trace FROM turns UNION SELECT trace FROM channel_inbox").all())
        db.close()
        const log = Fs.readFileSync(Path.join(dir, "logs", "gateway.log"), "utf8")
        assert.isAbove(log.length, 0)
        const devices = [operator, node].flatMap(({ hello }) => hello.auth.deviceToken ?? [])
        assert.isNotEmpty(devices)
        const sent = got.map(({ body }) => body).join("\n")
        const places = {
          stored,
          traces,
          shown: shown.stdout,
          asData: asData.stdout,
          page,
          sent,
          log,
          stderr: gateway.log()
        }
        for (const [place, text] of Object.entries(places)) {
          for (const word of [secret, bot.token, modelKey, header, ...said, ...devices]) {
            assert.notInclude(text, word, place)
          }
        }
        for (const text of [page, sent, log]) assert.notInclude(text, command)
      }).pipe(Effect.scoped),
    // A Gateway is started as a process.
    60_000
  )
})

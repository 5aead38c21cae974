/**
 * A restart in place: refused where it would not come up, found where the Gateway listens, and quiet while it waits.
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import { makeState, startProcess } from "./gatewayProcess.ts"

const binary = fileURLToPath(new URL("../../bin/openclaw.js", import.meta.url))

/** One command of the CLI with the state directory as all that it is told. */
const cli = (dir: string, ...given: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly said: any }>((resume) => {
    const child = spawn(process.execPath, [binary, ...given, "--json"], {
      stdio: ["ignore", "pipe", "ignore"],
      env: { HOME: dir, OPENCLAW_STATE_DIR: dir }
    })
    let out = ""
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
    child.once("close", (code) => resume(Effect.sync(() => ({ code, said: JSON.parse(out) }))))
  })

/** Changes `gateway` in the configuration file. */
const change = (dir: string, values: Readonly<Record<string, unknown>>) =>
  Effect.sync(() => {
    const file = Path.join(dir, "openclaw.json")
    const content = JSON.parse(Fs.readFileSync(file, "utf8"))
    Fs.writeFileSync(file, JSON.stringify({ ...content, gateway: { ...content.gateway, ...values } }))
  })

describe("a restart in place", () => {
  it.live("is refused where the address cannot be had, and the Gateway goes on where it is", () =>
    Effect.gen(function* () {
      const dir = yield* makeState({})
      const gateway = yield* startProcess(dir)
      const client = yield* gateway.connect()
      const { bootId } = client.hello.server
      // TEST-NET-1: no machine has it.
      yield* change(dir, { bind: "custom", customBindHost: "192.0.2.1" })
      const { code, said } = yield* cli(dir, "gateway", "restart")
      assert.deepStrictEqual([code, said.error.name], [78, "RestartRefused"])
      assert.include(said.error.message, "192.0.2.1")
      yield* gateway.signal("SIGUSR2")
      yield* Effect.repeat(Effect.delay(Effect.sync(gateway.log), 20), {
        until: (log) => log.includes("the Gateway is not restarted")
      })
      assert.strictEqual((yield* client.call.status({})).sessions?.["activeTurns"], 0)

      yield* change(dir, { bind: "loopback", customBindHost: undefined })
      const again = yield* cli(dir, "gateway", "restart")
      assert.deepStrictEqual([again.code, again.said.result], [0, "restarted"])
      assert.notStrictEqual(again.said.bootId, bootId)
      const status = yield* cli(dir, "gateway", "status")
      assert.deepStrictEqual([status.said.rpc.ok, status.said.gateway.urlSource], [true, "the running Gateway"])
    }).pipe(Effect.scoped)
  )

  it.live(
    "comes of itself when what is read at the start was changed by hand, and nobody who asks for one is in its way",
    () =>
      Effect.gen(function* () {
        const dir = yield* makeState({})
        const gateway = yield* startProcess(dir)
        const client = yield* gateway.connect()
        const closed = yield* Effect.forkScoped(client.closed, { startImmediately: true })
        yield* change(dir, { controlUi: { allowedOrigins: ["https://a.example"] } })
        assert.strictEqual((yield* Fiber.join(closed)).code, 1012)
        // It may just begin, go on, or be over.
        const { code, said } = yield* cli(dir, "gateway", "restart")
        assert.deepStrictEqual([code, said.result], [0, "restarted"])
        assert.notStrictEqual(said.bootId, client.hello.server.bootId)
        assert.include(gateway.log(), "restarting for gateway.controlUi.allowedOrigins")
      }).pipe(Effect.scoped)
  )

  it.live("waits for a moment without a turn while other chats go on", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const provider = Context.get(yield* Layer.build(ProviderServer.layer), ProviderServer.ProviderServer)
      yield* provider.push({ text: ["held"], end: "hold" }, { text: ["at once"] }, { text: ["held no more"] })
      const dir = yield* makeState({
        agents: { defaults: { model: "mock/m" } },
        session: { dmScope: "per-channel-peer" },
        models: {
          providers: {
            mock: { baseUrl: `${provider.url}/v1`, apiKey: "k", api: "openai-completions", models: [{ id: "m" }] }
          }
        },
        channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [1, 2] } }
      })
      const gateway = yield* startProcess(dir)
      const client = yield* gateway.connect()
      yield* bot.sendText({ from: { id: 1, firstName: "Ada" }, text: "hello" })
      yield* Effect.repeat(Effect.delay(provider.requests, 20), { until: (asked) => asked.length === 1 })
      yield* client.call["gateway.restart.request"]({ reason: "a test", restartIntent: { waitMs: 3_600_000 } })
      yield* bot.sendText({ from: { id: 2, firstName: "Bob" }, text: "hello" })
      assert.strictEqual((yield* bot.awaitReply({ chatId: 2 })).text, "at once")
      assert.strictEqual((yield* client.call.status({})).sessions?.["activeTurns"], 1)
      // The last turn ends, and the restart begins.
      const closed = yield* Effect.forkScoped(client.closed, { startImmediately: true })
      yield* bot.sendText({ from: { id: 1, firstName: "Ada" }, text: "/stop" })
      yield* Fiber.join(closed)
      yield* Effect.scoped(gateway.connect()).pipe(Effect.delay(20), Effect.eventually)
    }).pipe(Effect.scoped)
  )

  it.live("is nothing to a process that has not begun to serve, and SIGUSR2 does not end it", () =>
    Effect.gen(function* () {
      const dir = yield* makeState({})
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["--import", onEntry, binary, "gateway", "run", "--port", "0", "--json"], {
            stdio: ["ignore", "pipe", "ignore"],
            env: { HOME: dir, OPENCLAW_STATE_DIR: dir }
          })
        ),
        (spawned) => Effect.sync(() => spawned.kill("SIGKILL"))
      )
      const outcome = yield* Effect.callback<string>((resume) => {
        child.once("exit", (code, signal) => resume(Effect.succeed(`ended: ${signal ?? code}`)))
        child.stdout.once("data", () => resume(Effect.succeed("ready")))
      })
      assert.strictEqual(outcome, "ready")
    }).pipe(Effect.scoped)
  )
})

/** Sends the signal to its own process as soon as the entry's first statements have run. */
const onEntry = `data:text/javascript,${encodeURIComponent('setImmediate(() => process.kill(process.pid, "SIGUSR2"))')}`

/** OpenClaw's own yardsticks: its published schema and its client library. */
import { readFileSync } from "node:fs"
import { sign } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { GatewayClient, type GatewayClientOptions } from "@openclaw/gateway-client"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "typebox/schema"
import { EventBus } from "../../src/services/EventBus.ts"
import * as Rig from "./rig.ts"

const published = JSON.parse(
  readFileSync(new URL("../../node_modules/@openclaw/gateway-protocol/protocol.schema.json", import.meta.url), "utf8")
) as { readonly definitions: Record<string, Schema.XSchema> }

const validate = (definition: string, value: unknown) => {
  const schema = published.definitions[definition]
  if (schema === undefined) return assert.fail(`the schema has no ${definition}`)
  const [valid, errors] = Schema.Errors(schema, value)
  assert.isTrue(valid, `${definition}: ${JSON.stringify(errors.slice(0, 3))}`)
}

describe("protocol.schema.json", () => {
  it.live("hello-ok, its snapshot and every frame validate", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start({ stateDir: "/state", configPath: "/state/openclaw.json" })
      const operator = yield* Rig.connect(rig.url)
      const device = Rig.makeDevice()
      const node = yield* Rig.connectNode(rig.url, device)
      const paired = yield* Rig.connectDevice(rig.url, Rig.makeDevice(), {
        client: { id: "openclaw-tui", version: "1", platform: "linux", mode: "ui" }
      })
      for (const { hello } of [operator, node, paired]) validate("HelloOk", hello.payload)
      const { raw } = operator
      for (const method of [
        "status",
        "system-presence",
        "node.list",
        "node.pair.list",
        "device.pair.list",
        "sessions.list",
        "foo"
      ]) {
        yield* raw.request(method)
      }
      yield* raw.request("node.invoke", { nodeId: device.id, command: "x", idempotencyKey: "k" })
      validate("ChannelsStatusResult", (yield* raw.request("channels.status")).payload)
      const events = Context.get(rig.context, EventBus)
      yield* events.publish("chat", {
        runId: "r",
        sessionKey: "s",
        seq: 1,
        state: "delta",
        deltaText: "x",
        message: { role: "assistant", content: [{ type: "text", text: "x" }] }
      })
      yield* events.publish("tick", { ts: 1 })
      validate("ChatEvent", (yield* raw.event("chat")).payload)
      validate("TickEvent", (yield* raw.event("tick")).payload)
      for (const entry of (yield* raw.event("presence")).payload.presence) validate("PresenceEntry", entry)
      const request = yield* node.raw.event("node.invoke.request")
      validate("NodeInvokeRequestEvent", request.payload)
      for (const frame of [...raw.frames, ...node.raw.frames]) validate("GatewayFrame", frame)
    }).pipe(Effect.scoped)
  )
})

/** Runs OpenClaw's client until the scope closes; gives it once its handshake is over. */
const reference = (options: GatewayClientOptions) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly client: GatewayClient; readonly error?: Error; readonly hello?: any }>((resume) => {
      const client: GatewayClient = new GatewayClient({
        clientVersion: "1.0.0",
        platform: "linux",
        scopes: ["operator.admin"],
        env: {},
        onHelloOk: (hello) => resume(Effect.succeed({ client, hello })),
        onConnectError: (error) => resume(Effect.succeed({ client, error })),
        ...options
      })
      client.start()
    }),
    ({ client }) => Effect.promise(() => client.stopAndWait({ timeoutMs: 1000 }))
  )

describe("@openclaw/gateway-client", () => {
  it.live("connects, calls, and sees no gap", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start()
      const gaps: Array<unknown> = []
      const seen: Array<string> = []
      const { client, error, hello } = yield* reference({
        url: rig.url,
        token: Rig.TOKEN,
        onGap: (gap) => gaps.push(gap),
        onEvent: (event) => seen.push(event.event)
      })
      assert.isUndefined(error)
      assert.deepStrictEqual(hello.auth.scopes, ["operator.admin"])
      const health = yield* Effect.promise(() => client.request<{ ok: boolean }>("health"))
      assert.isTrue(health.ok)
      const events = Context.get(rig.context, EventBus)
      for (let ts = 0; ts < 20; ts++) yield* events.publish("tick", { ts })
      yield* Effect.promise(() => client.request("node.list", {}))
      yield* Effect.suspend(() => (seen.length >= 20 ? Effect.void : Effect.fail("not yet"))).pipe(Effect.eventually)
      assert.deepStrictEqual(gaps, [])
      const refused = yield* Effect.promise(() => client.request("foo.bar").then(String, String))
      assert.match(refused, /unknown method: foo\.bar/)
    }).pipe(Effect.scoped)
  )

  it.live("is told that its token is wrong", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { error, hello } = yield* reference({ url, token: "wrong" })
      assert.isUndefined(hello)
      assert.match(error?.message ?? "", /token mismatch/)
    }).pipe(Effect.scoped)
  )

  it.live("proves a device, gets a token, and connects again with the token alone", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const identity: GatewayClientOptions = {
        url,
        role: "node",
        scopes: [],
        mode: "node",
        clientName: "node-host",
        deviceFamily: "Linux",
        deviceIdentity: { deviceId: device.id, publicKeyPem: device.publicKey, privateKeyPem: "unused" },
        hostDeps: {
          signDevicePayload: (_: string, payload: string) =>
            sign(null, Buffer.from(payload), device.key).toString("base64url"),
          publicKeyRawBase64UrlFromPem: () => device.publicKey
        } as unknown as NonNullable<GatewayClientOptions["hostDeps"]>
      }
      const first = yield* reference({ ...identity, token: Rig.TOKEN })
      assert.isUndefined(first.error, String(first.error))
      const token = first.hello.auth.deviceToken as string
      const second = yield* reference({ ...identity, deviceToken: token })
      assert.isUndefined(second.error, String(second.error))
      assert.strictEqual(second.hello.auth.deviceToken, token, "the same token again")
    }).pipe(Effect.scoped)
  )
})

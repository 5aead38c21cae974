/** OpenClaw's client library, `@openclaw/gateway-client`, and a whole Gateway of ours. */
import { sign } from "node:crypto"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { GatewayClient, type GatewayClientOptions } from "@openclaw/gateway-client"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { accessOf, methodNames, repeatOf } from "../../src/protocol/MethodTable.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Rig from "../gateway/rig.ts"

const begin = Effect.map(Layer.build(GatewayTest.layer()), (services) => Context.get(services, GatewayTest.GatewayTest))

const SCOPES = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"]

/** A device as that library wants it, and its memory for tokens. */
const withDevice = () => {
  const device = Rig.makeDevice()
  const tokens = new Map<string, { readonly token: string; readonly scopes: ReadonlyArray<string> }>()
  const hostDeps = {
    signDevicePayload: (_: string, payload: string) =>
      sign(null, Buffer.from(payload), device.key).toString("base64url"),
    publicKeyRawBase64UrlFromPem: () => device.publicKey,
    loadDeviceAuthToken: ({ role }: { readonly role: string }) => tokens.get(role) ?? null,
    storeDeviceAuthToken: ({ role, scopes, token }: { role: string; token: string; scopes: ReadonlyArray<string> }) =>
      void tokens.set(role, { token, scopes }),
    clearDeviceAuthToken: ({ role }: { readonly role: string }) => void tokens.delete(role)
  } as unknown as NonNullable<GatewayClientOptions["hostDeps"]>
  const deviceIdentity = { deviceId: device.id, publicKeyPem: device.publicKey, privateKeyPem: "unused" }
  // A backend of this machine would be let in without being paired.
  const who = { clientName: "openclaw-tui", mode: "ui" } as const
  return { tokens, options: { ...who, deviceIdentity, hostDeps } }
}

/** Runs OpenClaw's client until the scope closes; `hellos` and `errors` get what it hears. */
const reference = Effect.fnUntraced(function* (options: GatewayClientOptions) {
  const heard = yield* Queue.unbounded<{ readonly hello?: any; readonly error?: Error }>()
  const gaps: Array<unknown> = []
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = new GatewayClient({
        clientVersion: "1.0.0",
        platform: "linux",
        scopes: SCOPES,
        env: {},
        onHelloOk: (hello) => void Queue.offerUnsafe(heard, { hello }),
        onConnectError: (error) => void Queue.offerUnsafe(heard, { error }),
        onGap: (gap) => gaps.push(gap),
        ...options
      })
      made.start()
      return made
    }),
    (made) => Effect.promise(() => made.stopAndWait({ timeoutMs: 1000 }))
  )
  const hello = Effect.flatMap(Queue.take(heard), (next) =>
    next.hello === undefined
      ? Effect.fail({ _tag: "NoHello" as const, message: String(next.error?.message) })
      : Effect.succeed(next.hello)
  )
  const ask = (method: string, params: unknown = {}) =>
    Effect.promise(() =>
      client.request(method, params).then(
        (payload: unknown) => ({ ok: true as const, payload }),
        (error: unknown) => ({ ok: false as const, error: String(error) })
      )
    )
  return { ask, hello, gaps }
})

/** Passes bytes on to the Gateway until it is cut. */
const cable = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly cut: Effect.Effect<void>; readonly end: Effect.Effect<void> }>(
      (resume) => {
        const sockets = new Set<Socket>()
        const server = createServer((near) => {
          const far = connect(port, "127.0.0.1")
          for (const socket of [near, far]) {
            sockets.add(socket)
            socket.on("error", () => undefined)
            socket.on("close", () => {
              sockets.delete(socket)
              near.destroy()
              far.destroy()
            })
          }
          near.pipe(far).pipe(near)
        })
        const cut = Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
        const end = Effect.andThen(
          cut,
          Effect.callback<void>((done) => void server.close(() => done(Effect.void)))
        )
        server.listen(0, "127.0.0.1", () => {
          resume(Effect.succeed({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, end }))
        })
      }
    ),
    ({ end }) => end
  )

const familyOf = (method: string): string => method.split(/[.-]/)[0] ?? method

describe("@openclaw/gateway-client and a whole Gateway", () => {
  it.live("asks something of every family, and sees no gap", () =>
    Effect.gen(function* () {
      const { endpoint, token } = yield* begin
      const { ask, gaps, hello } = yield* reference({ url: endpoint, token })
      assert.sameMembers((yield* hello).auth.scopes, SCOPES)
      const answered = new Set<string>()
      for (const method of methodNames) {
        if (accessOf(method) === "node" || repeatOf(method) !== "safe") continue
        const answer = yield* ask(method)
        // What needs to be told more says so.
        if (!answer.ok) assert.match(answer.error, /invalid|unknown|must|no |not |required/i, method)
        answered.add(familyOf(method))
      }
      const families = new Set(methodNames.filter((method) => accessOf(method) !== "node").map(familyOf))
      const acting = [...families].filter((family) => !answered.has(family))
      // Families that only act: what they do has tests of its own, here it is that they refuse nothing as a request.
      for (const family of acting) {
        const method = methodNames.find((name) => familyOf(name) === family)!
        const answer = yield* ask(method, { noSuchProperty: 1 })
        if (!answer.ok) assert.match(answer.error, /invalid/, method)
      }
      assert.deepStrictEqual(gaps, [])
    }).pipe(Effect.scoped)
  )

  it.live("comes back when its connection was cut", () =>
    Effect.gen(function* () {
      const { port, token } = yield* begin
      const { cut, url } = yield* cable(port)
      const { ask, gaps, hello } = yield* reference({ url, token })
      const first = yield* hello
      yield* cut
      const second = yield* hello
      assert.notStrictEqual(second.server.connId, first.server.connId)
      assert.isTrue((yield* ask("health")).ok)
      assert.deepStrictEqual(gaps, [])
    }).pipe(Effect.scoped)
  )

  it.live("shows its device token when the shared secret is refused", () =>
    Effect.gen(function* () {
      const { endpoint, token } = yield* begin
      const { options, tokens } = withDevice()
      yield* Effect.scoped(Effect.flatMap(reference({ url: endpoint, token, ...options }), ({ hello }) => hello))
      assert.isString(tokens.get("operator")?.token)
      const { ask, hello } = yield* reference({ url: endpoint, token: "not the secret any more", ...options })
      const refused = yield* Effect.flip(hello)
      assert.match(refused.message, /token mismatch/)
      assert.strictEqual((yield* hello).auth.role, "operator")
      assert.isTrue((yield* ask("status")).ok)
    }).pipe(Effect.scoped)
  )
})

/** OpenClaw's client library, `@openclaw/gateway-client`, as the tests use it. */
import { sign } from "node:crypto"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { GatewayClient, type GatewayClientOptions } from "@openclaw/gateway-client"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type { HelloOk } from "../../src/protocol/Connect.ts"
import * as Rig from "../gateway/rig.ts"

export const SCOPES = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"]

/** A device as that library wants it, and its memory for tokens, by role. */
export const withDevice = () => {
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
  return { id: device.id, tokens, options: { deviceIdentity, hostDeps } }
}

/** The Gateway did not let it in. */
export class NoHello extends Schema.TaggedError<NoHello>()("NoHello", { message: Schema.String }) {}

/** An error of the library's, or of the Gateway's by its words. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

interface Heard {
  readonly hello?: HelloOk
  readonly error?: Error
}

/** Runs until the scope closes. `hello` waits for the next end of a handshake. */
export const start = Effect.fnUntraced(function* (options: GatewayClientOptions) {
  const heard = yield* Queue.unbounded<Heard>()
  const events = yield* Queue.unbounded<{ readonly event: string; readonly payload?: unknown }>()
  const gaps: Array<unknown> = []
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = new GatewayClient({
        clientVersion: "1.0.0",
        platform: "linux",
        scopes: SCOPES,
        env: {},
        onHelloOk: (hello) => void Queue.offerUnsafe(heard, { hello: hello as unknown as HelloOk }),
        onConnectError: (error) => void Queue.offerUnsafe(heard, { error }),
        onEvent: (event) => void Queue.offerUnsafe(events, event),
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
      ? Effect.fail(new NoHello({ message: String(next.error?.message) }))
      : Effect.succeed(next.hello)
  )
  const ask = (method: string, params: unknown = {}, expectFinal = false) =>
    Effect.tryPromise({
      try: (): Promise<unknown> => client.request(method, params, { expectFinal }),
      catch: (error) => new Refused({ message: String(error) })
    })
  /** The payload of the next event of this name; others are passed by. */
  const event = (name: string) =>
    Effect.map(
      Effect.repeat(Queue.take(events), { until: (each) => each.event === name }),
      ({ payload }) => payload as Record<string, any>
    )
  return { ask, event, hello, gaps }
})

/** Passes bytes on to a port until it is cut. */
export const cable = (port: number) =>
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
          near.pipe(far)
          far.pipe(near)
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

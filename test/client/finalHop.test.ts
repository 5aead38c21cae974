/** Plain ws:// is judged where it ends: at the address that a name leads to, and at the first answer. */
import { createServer } from "node:http"
import type { AddressInfo, LookupFunction } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { token } from "../../src/domain/Credential.ts"
import * as Endpoint from "../../src/domain/Endpoint.ts"
import { GatewayClient, HostLookup } from "../../src/client/index.ts"
import { fakeGateway, options, start } from "./fakeGateway.ts"

const secret = { credentials: [token("canary")] }
const named = (host: string, endpoint: Endpoint.Endpoint) =>
  Endpoint.Endpoint.make(`ws://${host}:${new URL(endpoint).port}`)

/** A resolver that gives these addresses for every name, and remembers the names. */
const leadsTo = (...addresses: ReadonlyArray<string>) => {
  const asked: Array<string> = []
  const lookup: LookupFunction = (hostname, _options, callback) => {
    asked.push(hostname)
    const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
    callback(null, found)
  }
  return { asked, lookup }
}

describe("where a name leads", () => {
  it.live.each(["203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9", "0.0.0.0", "not an address"])(
    "a .local name that leads to %s is not dialled",
    (address) =>
      Effect.gen(function* () {
        const gateway = yield* fakeGateway
        const { asked, lookup } = leadsTo(address)
        const error = yield* GatewayClient.make(options(named("box.local", gateway.endpoint), secret)).pipe(
          Effect.provideService(HostLookup, lookup),
          Effect.flip
        )
        assert.deepStrictEqual(asked, ["box.local"])
        assert(error._tag === "GatewayUnreachable")
        assert.strictEqual(error.reason, "insecure")
        assert.include(error.message, address)
        assert.match(error.message, /nothing was sent[\s\S]*Fix: Use wss:/)
        assert.notInclude(error.message, "canary")
        assert.strictEqual(yield* gateway.waiting, 0)
      })
  )

  it.live("a name that leads nowhere is not dialled either", () =>
    Effect.gen(function* () {
      const error = yield* GatewayClient.make(options(Endpoint.Endpoint.make("ws://box.local:1"), secret)).pipe(
        Effect.provideService(HostLookup, leadsTo().lookup),
        Effect.flip
      )
      assert(error._tag === "GatewayUnreachable")
      assert.strictEqual(error.reason, "insecure")
    })
  )

  it.live("of several addresses only those are dialled where plain ws:// may go", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      yield* GatewayClient.make(options(named("box.tail1.ts.net", gateway.endpoint), secret)).pipe(
        Effect.provideService(HostLookup, leadsTo("203.0.113.9", "127.0.0.1").lookup),
        start
      )
      const connect = yield* (yield* gateway.accept).welcome()
      assert.deepStrictEqual(connect.params["auth"], { token: "canary" })
    })
  )

  it.live("localhost is this machine, or nothing", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* GatewayClient.make(options(named("localhost", gateway.endpoint), secret)).pipe(
        Effect.provideService(HostLookup, leadsTo("10.0.0.1").lookup),
        Effect.flip
      )
      assert(error._tag === "GatewayUnreachable")
      assert.strictEqual(error.reason, "insecure")
    })
  )

  it.live("the system's own lookup finds localhost", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      yield* start(GatewayClient.make(options(named("localhost", gateway.endpoint), secret)))
      assert.strictEqual((yield* (yield* gateway.accept).welcome()).method, "connect")
    })
  )

  it.each<readonly [string, string, boolean]>([
    ["ws://box.local", "192.168.1.4", true],
    ["ws://box.local", "100.64.0.1", true],
    ["ws://box.local", "fe80::1%eth0", true],
    ["ws://box.local", "::ffff:10.0.0.1", true],
    ["ws://box.local", "fd7a:115c:a1e0::1", true],
    ["ws://box.local", "100.128.0.1", false],
    ["ws://box.local", "box.local", false],
    ["ws://box.local", "", false],
    ["ws://app.localhost", "::1", true],
    ["ws://app.localhost", "192.168.1.4", false]
  ])("%s at %s: %s", (url, address, expected) =>
    assert.strictEqual(Endpoint.mayLeadTo(Endpoint.Endpoint.make(url), address), expected)
  )
})

describe("a redirect", () => {
  for (const status of [301, 302, 307, 308])
    it.live(`${status} is not followed, and nothing is sent to where it leads`, () =>
      Effect.gen(function* () {
        const elsewhere = yield* fakeGateway
        const heads: Array<string> = []
        const server = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const made = createServer()
            made.on("upgrade", (request, socket) => {
              heads.push(JSON.stringify([request.url, request.rawHeaders]))
              socket.end(`HTTP/1.1 ${status} Moved\r\nLocation: ${elsewhere.endpoint}/\r\nContent-Length: 0\r\n\r\n`)
            })
            made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
          }),
          (made) => Effect.sync(() => made.close())
        )
        const endpoint = Endpoint.loopback((server.address() as AddressInfo).port)
        const error = yield* Effect.flip(GatewayClient.make(options(endpoint, secret)))
        assert(error._tag === "GatewayUnreachable")
        assert.strictEqual(error.reason, "not-a-gateway")
        assert.include(error.detail, String(status))
        assert.strictEqual(heads.length, 1)
        assert.notInclude(heads.join(), "canary")
        assert.strictEqual(yield* elsewhere.waiting, 0)
      })
    )
})

/** Which addresses a Gateway listens on. */
import { connect } from "node:net"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { needsLoopback, resolveHost, tailnetAddress } from "../../src/layers/gateway/bind.ts"
import * as Rig from "./rig.ts"

const four = (address: string) => ({ address, family: "IPv4" })
const six = (address: string) => ({ address, family: "IPv6" })

describe("gateway.bind", () => {
  it.each([
    [[four("127.0.0.1"), four("100.63.255.255"), four("100.128.0.1"), six("fd7a:115c:a1e1::1")], undefined],
    [[four("192.168.1.2"), four("100.64.0.1")], "100.64.0.1"],
    [[six("fd7a:115c:a1e0::5"), four("100.127.255.254")], "100.127.255.254"],
    [[six("FD7A:115C:A1E0:ab12::5")], "FD7A:115C:A1E0:ab12::5"]
  ] as const)("tailnet: of %j it is %s", (own, expected) => {
    assert.strictEqual(tailnetAddress(own), expected)
  })

  it.effect("auto and loopback are this machine alone; custom is one address, in brackets too", () =>
    Effect.gen(function* () {
      for (const bind of ["auto", "loopback"] as const) {
        assert.strictEqual(yield* resolveHost(bind, "10.0.0.1"), "127.0.0.1")
      }
      assert.strictEqual(yield* resolveHost("lan", undefined), "0.0.0.0")
      assert.strictEqual(yield* resolveHost("custom", " 10.0.0.1 "), "10.0.0.1")
      assert.strictEqual(yield* resolveHost("custom", "[fd00::1]"), "fd00::1")
      const error = yield* Effect.flip(resolveHost("custom", " "))
      assert.strictEqual(error._tag, "BindAddressMissing")
      assert.include(error.message, "gateway.customBindHost")
    })
  )

  it.live("custom in any spelling is the address that is judged and listened on", () =>
    Effect.gen(function* () {
      for (const [given, address] of [
        ["[::ffff:127.0.0.1]", "127.0.0.1"],
        ["::FFFF:0.0.0.0", "0.0.0.0"],
        ["0:0:0:0:0:0:0:1", "::1"],
        ["[::]", "::"],
        ["FD00::1", "fd00::1"],
        ["fe80::1%lo", "fe80::1%lo"],
        ["LocalHost", "127.0.0.1"],
        ["localhost.", "127.0.0.1"]
      ] as const) {
        assert.strictEqual(yield* resolveHost("custom", given), address)
      }
    })
  )

  it.live.each([
    "127.1",
    "0x7f000001",
    "2130706433",
    "0",
    "010.0.0.1",
    "1.2.3.4.5",
    "host;id",
    "a b",
    "$(id)",
    "-x:",
    "[::1",
    "::1]",
    "127.0.0.1:80",
    "x".repeat(300)
  ])("custom %s is no address", (given) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(resolveHost("custom", given))
      assert.deepInclude(error, { _tag: "BindAddressMissing", bind: "custom" })
      assert.include(error.message, "neither an IP address nor a name")
    })
  )

  it.each([
    ["127.0.0.1", false],
    ["127.5.5.5", false],
    ["::1", false],
    ["localhost", false],
    ["0.0.0.0", false],
    ["::", false],
    ["100.64.0.1", true],
    ["192.168.1.5", true],
    ["fd7a:115c:a1e0::5", true]
  ] as const)("%s has loopback besides: %s", (host, expected) => {
    assert.strictEqual(needsLoopback(host), expected)
  })

  const outer = Object.values(networkInterfaces())
    .flatMap((found) => found ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address
  // 127.0.0.2 is an interface of its own for a listener, as far as a test can have one everywhere.
  const address = outer ?? "127.0.0.2"

  it.live.skipIf(process.platform === "darwin" && outer === undefined)(
    "one port on both addresses; who comes over loopback is local",
    () =>
      Effect.gen(function* () {
        const { gateway } = yield* Rig.start({ host: address, alsoLoopback: true })
        assert.strictEqual(gateway.url, `ws://127.0.0.1:${gateway.port}`)
        for (const host of [address, "127.0.0.1"]) {
          const { hello } = yield* Rig.connect(`ws://${host}:${gateway.port}`)
          assert.strictEqual(hello.ok, true)
        }
      })
  )

  it.live("both are gone afterwards", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(
        Effect.map(Rig.start({ host: address, alsoLoopback: true }), ({ gateway }) => gateway.port)
      )
      for (const host of [address, "127.0.0.1"]) {
        const code = yield* Effect.callback<string | undefined>((resume) => {
          const socket = connect(port, host, () => resume(Effect.sync(() => void socket.destroy())))
          socket.on("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code)))
        })
        assert.strictEqual(code, "ECONNREFUSED")
      }
    })
  )

  it.live("PortInUse when another program has the port on loopback", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      const exit = yield* Effect.exit(
        Effect.scoped(Rig.start({ host: address, alsoLoopback: true, port: gateway.port }))
      )
      assert.include(JSON.stringify(exit), "PortInUse")
    })
  )

  const v6 = Object.values(networkInterfaces()).some((found) => found?.some(({ address }) => address === "::1"))
  it.live.skipIf(!v6)("IPv6: ::1 is local, and its address is written with brackets", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start({ host: "::1" })
      assert.strictEqual(gateway.url, `ws://[::1]:${gateway.port}`)
      assert.strictEqual((yield* Rig.connect(gateway.url)).hello.ok, true)
    })
  )
})

/** The `tailscale` program as it is used here, against a stand-in that plays its answers. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TailscaleLayer from "../../src/layers/tailscale/Tailscale.ts"
import { type ClaimState, Tailscale, type TailscaleUnavailable } from "../../src/services/Tailscale.ts"
import * as StandIn from "./standin.ts"

const client = (program: string) =>
  Effect.map(Layer.build(TailscaleLayer.layer({ program }).pipe(Layer.provide(NodeServices.layer))), (context) =>
    Effect.provide(Tailscale, context)
  ).pipe(Effect.flatten)

const setup = Effect.gen(function* () {
  const standIn = yield* StandIn.make
  return { standIn, tailscale: yield* client(standIn.program) }
})

const reasonOf = <A>(asked: Effect.Effect<A, TailscaleUnavailable>) =>
  Effect.map(Effect.result(asked), (result) => (Result.isFailure(result) ? result.failure.reason : "answered"))

/** Holds a claim, and what is told of it. */
const holding = Effect.fnUntraced(function* (tailscale: Tailscale["Service"], mode: "serve" | "funnel" = "serve") {
  const told: Array<ClaimState> = []
  const fiber = yield* tailscale
    .hold({ mode, port: 45_678, changed: (state) => Effect.sync(() => void told.push(state)) })
    .pipe(Effect.forkScoped)
  const last = (tag: ClaimState["_tag"]) =>
    StandIn.until(
      Effect.sync(() => told.at(-1)),
      (state) => state?._tag === tag
    )
  return { fiber, told, last }
})

describe("what Tailscale says", () => {
  it.live("status: name, addresses, what it can do", () =>
    Effect.gen(function* () {
      const { tailscale } = yield* setup
      assert.deepStrictEqual(yield* tailscale.status, {
        version: "1.98.2-tdeadbeef",
        state: "Running",
        name: StandIn.NAME,
        addresses: ["100.101.102.103", "fd7a:115c:a1e0::1234"],
        magicDns: true,
        https: true,
        funnel: true,
        health: []
      })
    })
  )

  it.live("every way not to answer has a reason and a fix", () =>
    Effect.gen(function* () {
      const { standIn, tailscale } = yield* setup
      const said: Array<string> = []
      const failing = (words: string) =>
        Effect.andThen(
          standIn.fail("status", words),
          Effect.tap(reasonOf(tailscale.status), (reason) => Effect.sync(() => said.push(reason)))
        )
      yield* failing("failed to connect to local tailscaled; it doesn't appear to be running")
      yield* failing("Access denied: status access denied")
      yield* failing("something else")
      assert.deepStrictEqual(said, ["not-running", "not-permitted", "failed"])
      yield* standIn.mend("status")
      yield* standIn.status("<html>")
      assert.strictEqual(yield* reasonOf(tailscale.status), "strange")
      yield* standIn.status({ BackendState: 5 })
      assert.strictEqual(yield* reasonOf(tailscale.status), "strange")
      const nowhere = yield* client(join(standIn.folder, "nowhere"))
      const absent = yield* Effect.flip(nowhere.status)
      assert.strictEqual(absent.reason, "not-installed")
      assert.include(absent.message, "Fix: install Tailscale")
    })
  )

  it.live("what a name says is a host's name or nothing, and texts are on one line", () =>
    Effect.gen(function* () {
      const { standIn, tailscale } = yield* setup
      yield* standIn.status(
        StandIn.running({
          Self: { DNSName: "evil host\n.ts.net." },
          Health: ["one\r\n\u001b[31mtwo"],
          TailscaleIPs: ["x", "100.64.0.9"]
        })
      )
      const status = yield* tailscale.status
      assert.isUndefined(status.name)
      assert.deepStrictEqual(status.health, ["one [31mtwo"])
      assert.deepStrictEqual(status.addresses, ["100.64.0.9"])
    })
  )

  it.live(
    "whois: the login of an address, remembered; tagged machines have none; strange addresses are not asked about",
    () =>
      Effect.gen(function* () {
        const { standIn, tailscale } = yield* setup
        yield* standIn.whois("100.64.0.7", StandIn.person("some@example.com"))
        yield* standIn.whois("100.64.0.8", {
          ...StandIn.person("tagged-devices"),
          Node: { Name: "server.", Tags: ["tag:server"] }
        })
        const all = yield* Effect.all([tailscale.whois("100.64.0.7"), tailscale.whois("::ffff:100.64.0.7")], {
          concurrency: 2
        })
        assert.deepStrictEqual(all[0], { login: "some@example.com", node: "laptop.tail1234.ts.net" })
        assert.deepStrictEqual(all[1], all[0])
        assert.lengthOf(yield* standIn.calls("whois"), 1)
        assert.isUndefined((yield* tailscale.whois("100.64.0.8")).login)
        assert.strictEqual(yield* reasonOf(tailscale.whois("100.64.0.9")), "unknown")
        for (const address of ["--json", "-h", "100.64.0.7 --help", "", "host"]) {
          assert.strictEqual(yield* reasonOf(tailscale.whois(address)), "unknown")
        }
        assert.lengthOf(yield* standIn.calls("whois"), 3)
      })
  )

  it.live("a daemon that hangs or talks nonsense is an error in a bounded time", () =>
    Effect.gen(function* () {
      const { standIn, tailscale } = yield* setup
      yield* standIn.whois("100.64.0.7", "{")
      assert.strictEqual(yield* reasonOf(tailscale.whois("100.64.0.7")), "strange")
      yield* standIn.whois("100.64.0.6", `{"UserProfile":"${"x".repeat(1_000_000)}"}`)
      assert.strictEqual(yield* reasonOf(tailscale.whois("100.64.0.6")), "strange")
      yield* standIn.hang("whois")
      assert.strictEqual(yield* reasonOf(tailscale.whois("100.64.0.5")), "no-answer")
    })
  )
})

describe("a claim", () => {
  it.live("stands while it is held, on the port that was asked for, and goes with who holds it", () =>
    Effect.gen(function* () {
      const { standIn, tailscale } = yield* setup
      const { fiber, last } = yield* holding(tailscale)
      const state = yield* last("Active")
      assert.deepInclude(state, { name: StandIn.NAME, url: `https://${StandIn.NAME}` })
      assert.deepStrictEqual(yield* tailscale.routes, [
        { url: `https://${StandIn.NAME}/`, target: "http://127.0.0.1:45678", funnel: false, foreground: true }
      ])
      assert.include((yield* standIn.calls("serve --yes"))[0], "--bg=false")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* standIn.claims, [])
    })
  )

  it.live("funnel opens to everybody, and nothing else counts as it", () =>
    Effect.gen(function* () {
      const { tailscale } = yield* setup
      const { last } = yield* holding(tailscale, "funnel")
      yield* last("Active")
      assert.isTrue((yield* tailscale.routes)[0]?.funnel)
    })
  )

  it.live("waits for a daemon that is not there, still starts, or is not logged in, and says what it waits for", () =>
    Effect.gen(function* () {
      const { standIn, tailscale } = yield* setup
      yield* standIn.fail("status", "failed to connect to local tailscaled")
      const { last, told } = yield* holding(tailscale)
      yield* last("Waiting")
      yield* standIn.status(StandIn.running({ BackendState: "Starting" }))
      yield* standIn.mend("status")
      const reason = (part: string) =>
        StandIn.until(
          Effect.sync(() => told.at(-1)),
          (state) => state?._tag === "Waiting" && state.reason.includes(part)
        )
      yield* reason("still starting")
      yield* standIn.status(StandIn.running({ BackendState: "NeedsLogin" }))
      yield* reason("waits for a login")
      yield* standIn.status(StandIn.running({ CertDomains: null }))
      yield* reason("HTTPS certificates")
      assert.deepStrictEqual(yield* standIn.claims, [])
      yield* standIn.status(StandIn.running())
      yield* last("Active")
    })
  )

  it.live("is made again when it is lost, and when another holds the port it waits for that", () =>
    Effect.gen(function* () {
      const { standIn, tailscale } = yield* setup
      const { last, told } = yield* holding(tailscale)
      yield* last("Active")
      const [first] = yield* standIn.claims
      yield* standIn.fail("serve", "error: listener already exists for port 443")
      process.kill(first ?? 0, "SIGKILL")
      yield* last("Waiting")
      yield* StandIn.until(
        Effect.sync(() => told.at(-1)),
        (state) => state?._tag === "Waiting" && state.reason.includes("listener")
      )
      yield* standIn.mend("serve")
      yield* last("Active")
      assert.notInclude(yield* standIn.claims, first ?? 0)
    })
  )

  it.live("goes with a process that is killed with -9, and with its guard", () =>
    Effect.gen(function* () {
      const { standIn } = yield* setup
      const holder = spawn(process.execPath, [join(import.meta.dirname, "holder.ts"), standIn.program, "45678"], {
        stdio: "ignore"
      })
      const [claim = 0] = yield* StandIn.until(standIn.claims, (claims) => claims.length === 1)
      holder.kill("SIGKILL")
      yield* StandIn.until(
        Effect.sync(() => StandIn.alive(claim)),
        (lives) => !lives
      )
      assert.deepStrictEqual(yield* standIn.claims, [])
    })
  )
})

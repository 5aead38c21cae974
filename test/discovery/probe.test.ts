/** `openclaw gateway probe`, with real Gateways and a real sshd. */
import * as Fs from "node:fs"
import { type AddressInfo, createServer, type Server } from "node:net"
import * as Path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Cli from "../cli/kit.ts"
import { hasSshd, laptop } from "../remote/kit.ts"

interface Target {
  readonly id: string
  readonly active: boolean
  readonly url: string | null
  readonly tunnel: { readonly target: string } | null
  readonly connect: { readonly ok: boolean; readonly error: string | null; readonly errorName: string | null }
  readonly auth: { readonly capability: string }
  readonly identity: { readonly deviceId: string; readonly proven: boolean } | null
}
interface Answer {
  readonly ok: boolean
  readonly primaryTargetId: string | null
  readonly warnings: ReadonlyArray<{ readonly code: string; readonly targetIds?: ReadonlyArray<string> }>
  readonly gateways: ReadonlyArray<{ readonly targetIds: ReadonlyArray<string>; readonly proven: boolean }>
  readonly targets: ReadonlyArray<Target>
}

/** Without those that the machine's own network may tell of. */
const read = (stdout: string): Answer => {
  const answer: Answer = JSON.parse(stdout)
  const ours = (id: string) => !id.startsWith("discovered")
  return {
    ...answer,
    targets: answer.targets.filter(({ id }) => ours(id)),
    gateways: answer.gateways
      .map((gateway) => ({ ...gateway, targetIds: gateway.targetIds.filter(ours) }))
      .filter(({ targetIds }) => targetIds.length > 0)
  }
}
const codes = ({ warnings }: Answer) =>
  warnings.map(({ code }) => code).filter((code) => code !== "discovery_unavailable")

/** A second Gateway, as this machine's own. */
const another = Effect.gen(function* () {
  const context = yield* Layer.build(Layer.fresh(GatewayTest.layer().pipe(Layer.provide(NodeServices.layer))))
  return Context.get(context, GatewayTest.GatewayTest)
})

const own = (port: number, token: string) => ({ port, auth: { mode: "token", token } })

describe.skipIf(!hasSshd)("openclaw gateway probe", () => {
  it.live("a tunnel and this machine's loopback that lead to one Gateway are recognised as one, by its proof", () =>
    Effect.gen(function* () {
      const { configure, gateway, run, running } = yield* laptop()
      yield* configure({}, own(gateway.port, gateway.token))
      const ended = yield* run("gateway", "probe", "--json")
      assert.strictEqual(ended.code, 0, ended.stdout)
      const answer = read(ended.stdout)
      assert.deepStrictEqual(
        answer.targets.map(({ active, id, tunnel }) => [id, active, tunnel?.target]),
        [
          ["sshTunnel", true, "box"],
          ["localLoopback", false, undefined]
        ]
      )
      assert.deepStrictEqual(
        answer.gateways.map(({ proven, targetIds }) => [targetIds, proven]),
        [[["sshTunnel", "localLoopback"], true]]
      )
      assert.strictEqual(answer.primaryTargetId, "sshTunnel")
      assert.notInclude(codes(answer), "multiple_gateways")
      assert.notInclude(JSON.stringify(ended), gateway.token)
      assert.deepStrictEqual(running(), [])
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live("--ssh-identity is the key for the configured host too", () =>
    Effect.gen(function* () {
      const { configure, gateway, run } = yield* laptop()
      yield* configure({}, own(gateway.port, gateway.token))
      const [tunnel] = read((yield* run("gateway", "probe", "--ssh-identity", "no-such-key", "--json")).stdout).targets
      assert.deepStrictEqual([tunnel?.id, tunnel?.url, tunnel?.connect.ok], ["sshTunnel", null, false])
      assert.include(tunnel?.connect.error, "no-such-key")
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live("two Gateways are two", () =>
    Effect.gen(function* () {
      const { configure, run } = yield* laptop()
      const second = yield* another
      yield* configure({}, own(second.port, second.token))
      const answer = read((yield* run("gateway", "probe", "--json")).stdout)
      assert.deepStrictEqual(
        answer.gateways.map(({ targetIds }) => targetIds),
        [["sshTunnel"], ["localLoopback"]]
      )
      assert.deepStrictEqual(answer.warnings.find(({ code }) => code === "multiple_gateways")?.targetIds, [
        "sshTunnel",
        "localLoopback"
      ])
      const text = (yield* run("gateway", "probe")).stdout
      assert.match(text, /Gateways: +2: sshTunnel \([0-9a-f]{12}\); localLoopback \([0-9a-f]{12}\)/)
      assert.match(text, /Warning \(multiple_gateways\)/)
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live("--ssh: a host that nobody configured proves who it is, and sees no secret", () =>
    Effect.gen(function* () {
      const { folder, gateway, run } = yield* laptop()
      const config = { gateway: { mode: "local", ...own(1, "own-canary") } }
      Fs.writeFileSync(Path.join(folder, "openclaw.json"), JSON.stringify(config), { mode: 0o600 })
      const asked = ["gateway", "probe", "--ssh", "box", "--port", String(gateway.port)]
      const answer = read((yield* run(...asked, "--json")).stdout)
      const [tunnel] = answer.targets
      assert.deepInclude(tunnel, { id: "sshTunnel", active: true })
      assert.deepStrictEqual([tunnel?.connect.ok, tunnel?.identity?.proven], [true, true])
      assert.strictEqual(tunnel?.auth.capability, "unknown")
      const letIn = read((yield* run(...asked, "--json", "--token", gateway.token)).stdout)
      assert.notStrictEqual(letIn.targets[0]?.auth.capability, "unknown")
      assert.strictEqual(letIn.targets[0]?.identity?.deviceId, tunnel?.identity?.deviceId)
      const text = yield* run(...asked)
      assert.deepStrictEqual([text.code, /nothing that it may be shown/.test(text.stdout)], [0, true])
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live("says why no tunnel came about, and what else there is", () =>
    Effect.gen(function* () {
      const { configure, gateway, run, sshd } = yield* laptop()
      yield* configure({}, own(gateway.port, gateway.token))
      yield* sshd.forgetHost
      const ended = yield* run("gateway", "probe", "--json")
      assert.strictEqual(ended.code, 0)
      const answer = read(ended.stdout)
      assert.deepStrictEqual(answer.warnings.find(({ code }) => code === "ssh_tunnel_failed")?.targetIds, ["sshTunnel"])
      assert.strictEqual(answer.targets[0]?.connect.errorName, "SshHostKeyRejected")
      assert.strictEqual(answer.primaryTargetId, "localLoopback")
      assert.match((yield* run("gateway", "probe")).stderr, /host key[\s\S]*Fix: /)
    }).pipe(Effect.provide(GatewayTest.layer()))
  )
})

describe("openclaw gateway probe", () => {
  it.live("exit code 1 where nothing answers; a target that is none is refused", () =>
    Effect.gen(function* () {
      const setting = { home: yield* Cli.home, variables: { OPENCLAW_GATEWAY_PORT: "1" } }
      const ended = yield* Cli.run(setting, "gateway", "probe", "--json")
      assert.strictEqual(ended.code, 1)
      assert.include(codes(read(ended.stdout)), "no_gateway_reachable")
      const wrong = yield* Cli.run(setting, "gateway", "probe", "--ssh=-oProxyCommand=x", "--json")
      assert.deepStrictEqual([wrong.code, JSON.parse(wrong.stdout).error.name], [1, "SshTargetInvalid"])
      const nobody = yield* Cli.run(setting, "gateway", "probe", "--ssh-identity", "key")
      assert.deepStrictEqual([nobody.code, /Fix: name a host with --ssh/.test(nobody.stderr)], [1, true])
    }).pipe(Effect.scoped)
  )

  it.live("GatewayUnreachable: a listener that never answers in TLS holds it no longer than it may", () =>
    Effect.gen(function* () {
      const silent = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer(() => {}).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const url = `wss://127.0.0.1:${(silent.address() as AddressInfo).port}`
      const asked = ["--url", url, "--token", "a-canary", "--timeout", "300", "--json"]
      const ended = yield* Cli.run({ home: yield* Cli.home }, "gateway", "probe", ...asked)
      const [explicit] = read(ended.stdout).targets
      assert.deepStrictEqual(
        [ended.code, explicit?.id, explicit?.connect.errorName],
        [1, "explicit", "GatewayUnreachable"]
      )
      assert.include(explicit?.connect.error, "no TLS handshake within 300 ms")
    }).pipe(Effect.scoped)
  )

  it.live("--port means this machine's Gateway, also where the configuration means a remote one", () =>
    Effect.gen(function* () {
      const home = yield* Cli.home
      Fs.mkdirSync(Path.join(home, ".openclaw"), { mode: 0o700 })
      const remote = { sshTarget: "nobody@127.0.0.1:1", token: "remote-canary" }
      const config = JSON.stringify({ gateway: { mode: "remote", remote } })
      Fs.writeFileSync(Path.join(home, ".openclaw", "openclaw.json"), config, { mode: 0o600 })
      const ended = yield* Cli.run({ home }, "gateway", "probe", "--port", "1", "--json")
      assert.deepStrictEqual(
        read(ended.stdout).targets.map(({ active, id, url }) => [id, active, url]),
        [["localLoopback", true, "ws://127.0.0.1:1"]]
      )
    }).pipe(Effect.scoped)
  )

  it.live("discover: an empty answer is one", () =>
    Effect.gen(function* () {
      const ended = yield* Cli.run({ home: yield* Cli.home }, "gateway", "discover", "--json", "--timeout", "50")
      assert.strictEqual(ended.code, 0)
      const answer = JSON.parse(ended.stdout)
      assert.deepStrictEqual([answer.timeoutMs, answer.domains, answer.count], [50, ["local."], answer.beacons.length])
    }).pipe(Effect.scoped)
  )
})

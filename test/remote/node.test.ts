/** `openclaw node run` behind a tunnel: it stays through what happens to ssh, and so does what it was asked to do. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as Cli from "../cli/kit.ts"
import { hasSshd, laptop, searched } from "./kit.ts"

interface Event {
  readonly event: string
  readonly message?: string
}

const eventsIn = (stdout: string): ReadonlyArray<Event> =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))

/** Waits until a file is there. */
const appears = (file: string) =>
  Effect.repeat(
    Effect.sync(() => Fs.existsSync(file)),
    { until: (there) => there }
  )

const setup = Effect.fnUntraced(function* (settings: Record<string, unknown> = {}) {
  const kit = yield* laptop(settings)
  Fs.writeFileSync(
    Path.join(kit.folder, "exec-approvals.json"),
    JSON.stringify({ version: 1, defaults: { security: "full", ask: "off" } }),
    { mode: 0o600 }
  )
  const setting = { ...kit.setting, variables: { PATH: searched() } }
  const node = yield* Cli.start(setting, "node", "run", "--display-name", "bench", "--json")
  /** Waits for the n-th notice of a kind. */
  const notice = (event: string, count = 1) =>
    node.until(({ stdout }) => eventsIn(stdout).filter((one) => one.event === event)[count - 1])
  const events = () => eventsIn(node.printed().stdout)
  return { ...kit, events, node, notice }
})

/** An operator beside the Gateway; the node is known and may run what it declares. */
const approved = Effect.fnUntraced(function* ({ gateway, notice, run }: Effect.Success<ReturnType<typeof setup>>) {
  yield* notice("CommandApprovalNeeded")
  const pending = JSON.parse((yield* run("nodes", "pending", "--json")).stdout)
  assert.strictEqual((yield* run("nodes", "approve", pending[0].requestId)).code, 0)
  yield* notice("Approved")
  return yield* gateway.connect()
})

describe.skipIf(!hasSshd)("a node behind a tunnel", () => {
  let argv: ReadonlyArray<string> = []
  let told = ""
  const models = ScriptedModel.layer([
    () => ({ toolCalls: [{ name: "nodes", params: { action: "run", node: "bench", argv } }] }),
    (messages) => {
      told = JSON.stringify(messages.at(-1))
      return { text: "done" }
    }
  ])

  it.live(
    "comes back by itself after ssh was killed, and what it was asked to do is done once and answered",
    () =>
      Effect.gen(function* () {
        const kit = yield* setup()
        const { events, home, notice, run, running, sshd, started } = kit
        const operator = yield* approved(kit)
        assert.strictEqual(started().length, 1, "the commands that approved it went through the node's own tunnel")

        const [begun, go] = [Path.join(home, "begun"), Path.join(home, "go")]
        const script = `echo x >> ${begun}; while [ ! -e ${go} ]; do sleep 0.05; done; echo back`
        argv = ["sh", "-c", script]
        const turn = yield* operator
          .request(
            "agent",
            { message: "run it", sessionKey: "main", idempotencyKey: "across-a-kill" },
            { expectFinal: true, timeout: "30 seconds" }
          )
          .pipe(Effect.forkChild)
        yield* appears(begun)
        yield* sshd.signal("SIGKILL")
        yield* notice("TunnelDown")
        yield* notice("TunnelUp", 2)
        yield* notice("Connected", 2)
        Fs.writeFileSync(go, "")
        yield* Fiber.join(turn)
        assert.match(told, /stdout[^}]*back/)
        assert.strictEqual(Fs.readFileSync(begun, "utf8"), "x\n")

        // Again and again, and with sshd gone for a while: each loss and each return is told once.
        yield* sshd.signal("SIGKILL")
        yield* notice("TunnelUp", 3)
        yield* notice("Connected", 3)
        yield* sshd.crash
        yield* notice("TunnelDown", 3)
        yield* sshd.start
        yield* notice("TunnelUp", 4)
        yield* notice("Connected", 4)
        const heard = events().filter(({ event }) => event.startsWith("Tunnel"))
        assert.isAtMost(heard.length, 9, JSON.stringify(heard))
        const bins = yield* run(
          "nodes",
          "invoke",
          "--node",
          "bench",
          "--command",
          "system.which",
          "--params",
          '{"bins":["sh"]}'
        )
        assert.include(bins.stdout, "/sh")

        const stopped = yield* kit.node.stop
        assert.strictEqual(stopped.code, 0)
        assert.deepStrictEqual(running(), [])
        assert.notInclude(JSON.stringify(stopped), kit.gateway.token)
      }).pipe(Effect.provide(GatewayTest.layer({ models }))),
    60_000
  )

  it.live(
    "waits for a host that is not there yet, and says why",
    () =>
      Effect.gen(function* () {
        const kit = yield* setup()
        yield* kit.notice("TunnelUp")
        yield* kit.node.stop
        yield* kit.sshd.crash
        const again = yield* Cli.start(kit.setting, "node", "run")
        const down = yield* again.until(({ stdout }) => /the tunnel to box is down.*\(refused.*/.exec(stdout)?.[0])
        assert.include(down, "tried again")
        assert.match(again.printed().stdout, /^Node .* connects to the Gateway behind box\.$/m)
        yield* kit.sshd.start
        yield* again.until(({ stdout }) => /the tunnel to box stands/.exec(stdout)?.[0])
        yield* again.until(({ stdout }) => /connected/.exec(stdout)?.[0])
        assert.strictEqual((yield* again.stop).code, 0)
      }).pipe(Effect.provide(GatewayTest.layer())),
    30_000
  )

  it.live("ends with the reason where waiting cannot help", () =>
    Effect.gen(function* () {
      const kit = yield* laptop()
      yield* kit.sshd.forgetHost
      const ended = yield* kit.run("node", "run")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /host key of box is not known[\s\S]*Fix: /)
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live(
    "is known to the far side by a token of its own, whichever port of this machine leads there",
    () =>
      Effect.gen(function* () {
        const kit = yield* setup()
        yield* kit.notice("TunnelUp")
        yield* kit.notice("CommandApprovalNeeded")
        yield* kit.node.stop
        const file = Path.join(kit.folder, "identity", "device-auth.json")
        const { tokens } = JSON.parse(Fs.readFileSync(file, "utf8"))
        assert.deepStrictEqual(
          tokens.map(({ endpoint, role }: Record<string, string>) => [endpoint, role]),
          [[`ssh:box/${kit.gateway.port}`, "node"]]
        )
        // The shared secret is no longer needed, nor the same near end.
        yield* kit.configure({ token: undefined, url: undefined })
        const again = yield* Cli.start(kit.setting, "node", "run", "--json")
        yield* again.until(({ stdout }) => eventsIn(stdout).find(({ event }) => event === "CommandApprovalNeeded"))
        yield* again.stop
      }).pipe(Effect.provide(GatewayTest.layer())),
    30_000
  )
})

/** Every command that talks to a Gateway, through a tunnel that the configuration asks for. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Cli from "../cli/kit.ts"
import * as Sshd from "../tunnel/sshd.ts"
import { hasSshd, laptop } from "./kit.ts"

/** What is asked, the exit code, and what is printed. */
const COMMANDS: ReadonlyArray<readonly [given: string, code: number, prints: RegExp]> = [
  ["health", 0, /^Gateway: OK/],
  ["health --json", 0, /"ok": true/],
  ["status", 0, /Reachable: +yes/],
  ["status --deep", 0, /supervised|running +since/],
  ["gateway status", 0, /Connectivity probe: +ok/],
  ["gateway health", 0, /^Gateway: OK/],
  ["gateway probe", 0, /Reachable: +yes/],
  ["gateway call health", 0, /"ok": true/],
  ["nodes list", 0, /No nodes yet/],
  ["nodes pending", 0, /No node waits/],
  ["devices list", 0, /No device is paired/],
  ["sessions", 0, /No sessions yet/],
  ["logs", 0, /Log file|log/i],
  ["approvals pending", 0, /No pending approvals/],
  ["approvals get --gateway", 0, /Gateway/i],
  ["channels status", 0, /Gateway reachable/],
  ["models list", 0, /models/i],
  ["agents list", 0, /main/],
  ["system presence", 0, /"mode": "gateway"/],
  ["agent -m hello", 1, /No language model is configured/],
  ["message send --target telegram:1 -m hello", 1, /telegram is not configured/]
]

describe.skipIf(!hasSshd)("a Gateway behind ssh", () => {
  it.live(
    "is reached by every command, each of which opens the tunnel and leaves nothing behind",
    () =>
      Effect.gen(function* () {
        const { gateway, run, running, started } = yield* laptop()
        for (const [given, code, prints] of COMMANDS) {
          const before = started().length
          const ended = yield* run(...given.split(" "))
          assert.match(`${ended.stdout}${ended.stderr}`, prints, given)
          assert.strictEqual(ended.code, code, given)
          assert.isAbove(started().length, before, given)
          assert.deepStrictEqual(running(), [], given)
          assert.notInclude(JSON.stringify(ended), gateway.token, given)
        }
      }).pipe(Effect.provide(GatewayTest.layer())),
    60_000
  )

  it.live("is shown as what lies behind the tunnel", () =>
    Effect.gen(function* () {
      const { gateway, near, run } = yield* laptop()
      const shown = yield* run("status")
      assert.include(shown.stdout, `box, port ${gateway.port} over there, through ssh (gateway.remote.sshTarget)`)
      const { gateway: told } = JSON.parse((yield* run("status", "--json")).stdout)
      assert.deepInclude(told, { url: `ws://127.0.0.1:${near}`, sshTarget: "box", remotePort: gateway.port })
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live("runs on another machine: none starts here by accident", () =>
    Effect.gen(function* () {
      const { run, setting, started } = yield* laptop()
      const wanted = ["gateway", "run", "--port", "0", "--token", "t".repeat(32)]
      const ended = yield* run(...wanted)
      assert.strictEqual(ended.code, 78)
      assert.match(ended.stderr, /gateway\.mode "remote"[\s\S]*Fix: `openclaw config set gateway\.mode local`/)
      const asked = yield* Cli.start(setting, ...wanted, "--allow-unconfigured", "--json")
      yield* asked.until(({ stdout }) => (stdout.includes('"ready":true') ? true : undefined))
      assert.strictEqual((yield* asked.stop).code, 0)
      assert.deepStrictEqual(started(), [])
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live("is another machine than the one whose files commands work on: they say so, also with --json", () =>
    Effect.gen(function* () {
      const { configure, run, setting, started } = yield* laptop()
      const local = [
        "pairing list",
        "pairing approve telegram ABCD2345",
        "security audit",
        "backup create",
        "doctor tailscale"
      ]
      for (const given of local) {
        const ended = yield* run(...given.split(" "))
        assert.match(ended.stderr, /^Note: .* on this machine; the Gateway that gateway\.remote names/, given)
      }
      const told = yield* run("pairing", "list", "--json")
      assert.include(told.stderr, "Note: ")
      assert.deepStrictEqual(JSON.parse(told.stdout).requests, [])
      yield* configure({}, { mode: "local" })
      assert.strictEqual((yield* run("pairing", "list")).stderr, "")
      const named = yield* run("pairing", "list", "--url", "ws://127.0.0.1:1", "--token", "t")
      assert.include(named.stderr, "that --url names")
      const variables = { OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:1" }
      assert.include(
        (yield* Cli.run({ ...setting, variables }, "pairing", "list")).stderr,
        "that OPENCLAW_GATEWAY_URL names"
      )
      assert.deepStrictEqual(started(), [])
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live("may be reached over a tunnel opened by hand", () =>
    Effect.gen(function* () {
      const { configure, gateway, run, started } = yield* laptop()
      // Its near end is the Gateway's own port here.
      yield* configure({ sshTarget: undefined, url: gateway.endpoint })
      assert.match((yield* run("health")).stdout, /^Gateway: OK/)
      assert.deepStrictEqual(started(), [])
    }).pipe(Effect.provide(GatewayTest.layer()))
  )
})

interface Wrong {
  readonly settings?: (kit: Effect.Success<ReturnType<typeof laptop>>) => Record<string, unknown>
  readonly happens?: (kit: Effect.Success<ReturnType<typeof laptop>>) => Effect.Effect<unknown, unknown>
  readonly code?: number
  readonly name: string
  readonly says: RegExp
  /** Nothing is run for it. */
  readonly noSsh?: true
}

const WRONG: Readonly<Record<string, Wrong>> = {
  "an unknown host key": {
    happens: ({ sshd }) => sshd.forgetHost,
    name: "SshHostKeyRejected",
    says: /is not known.*Fix: log in once/s
  },
  "a changed host key": {
    happens: ({ sshd }) => Effect.andThen(sshd.otherHostKey, Effect.andThen(sshd.crash, sshd.start)),
    name: "SshHostKeyRejected",
    says: /is not the one that was known.*Fix: /s
  },
  "a key that is not let in": {
    happens: ({ sshd }) => sshd.refuseKey,
    name: "SshAuthFailed",
    says: /did not let ssh in.*Fix: /s
  },
  "an sshd that is not there": {
    happens: ({ sshd }) => sshd.crash,
    name: "TunnelTimeout",
    says: /was not reached within \d+ ms.*refused.*Fix: check that sshd runs there/s
  },
  "no Gateway over there": {
    settings: () => ({ remotePort: 1 }),
    name: "TunnelTimeout",
    says: /no Gateway answers at its port 1.*Fix: start it there/s
  },
  "a token that is wrong": {
    settings: () => ({ token: "canary-wrong" }),
    name: "HandshakeRejected",
    says: /token.*Fix: /s
  },
  "a target that is none": {
    settings: () => ({ sshTarget: "-oProxyCommand=x" }),
    name: "SshTargetInvalid",
    says: /Fix: /,
    noSsh: true
  },
  "a private key that is not there": {
    settings: () => ({ sshIdentity: "~/.ssh/not-there" }),
    name: "SshIdentityUnusable",
    says: /not-there.*Fix: /s,
    noSsh: true
  },
  "a private key by a relative path": {
    settings: () => ({ sshIdentity: "id_ed25519" }),
    name: "SettingInvalid",
    says: /begins with \/ or ~\/.*Fix: /s,
    code: 78,
    noSsh: true
  },
  "a secret that cannot be had": {
    settings: () => ({ token: { source: "env", provider: "default", id: "NOT_SET_ANYWHERE" } }),
    name: "SecretUnresolved",
    says: /gateway\.remote\.token refers.*NOT_SET_ANYWHERE.*Fix: /s,
    code: 78,
    noSsh: true
  }
}

describe.skipIf(!hasSshd)("what is wrong with the way to a Gateway", () => {
  for (const [what, wrong] of Object.entries(WRONG))
    it.live(
      `${what} is said, with the fix`,
      () =>
        Effect.gen(function* () {
          const kit = yield* laptop()
          const { configure, running, started } = kit
          const variables = { OPENCLAW_GATEWAY_TOKEN: kit.gateway.token }
          yield* configure(wrong.settings?.(kit) ?? {}, { auth: { token: "canary-own" } })
          if (wrong.happens !== undefined) yield* wrong.happens(kit)
          // What is tried again until the time is over may need more of it on a busy machine before it knows why.
          const told = Effect.fnUntraced(function* (
            setting: Cli.Setting,
            ms: number,
            ...more: ReadonlyArray<string>
          ): Effect.fn.Return<Cli.Ended> {
            const ended = yield* Cli.run(setting, "health", "--timeout", `${ms}`, ...more)
            const isSaid = wrong.says.test(`${ended.stdout}${ended.stderr}`)
            return isSaid || ms > 20_000 ? ended : yield* told(setting, ms * 4, ...more)
          })
          const ended = yield* told(kit.setting, 1_500)
          assert.match(ended.stderr, wrong.says)
          assert.strictEqual(ended.code, wrong.code ?? 1)
          const asJson = yield* told({ ...kit.setting, variables }, 1_500, "--json")
          assert.strictEqual(JSON.parse(asJson.stdout).error.name, wrong.name)
          assert.notMatch(JSON.stringify([ended, asJson]), new RegExp(`canary|${kit.gateway.token}`))
          assert.deepStrictEqual(running(), [])
          if (wrong.noSsh === true) assert.deepStrictEqual(started(), [])
        }).pipe(Effect.provide(GatewayTest.layer())),
      90_000
    )

  it.live("another Gateway at the known one's place is told apart, and shown nothing", () =>
    Effect.gen(function* () {
      const { configure, folder, gateway, run } = yield* laptop()
      assert.strictEqual((yield* run("health")).code, 0)
      const known = Path.join(folder, "tunnels", "known-gateways.json")
      const before = JSON.parse(Fs.readFileSync(known, "utf8"))
      // As if another machine had been known there: the row is of the target and its port.
      const rows = before.gateways.map((row: object) => ({ ...row, deviceId: "ab".repeat(32) }))
      Fs.writeFileSync(known, JSON.stringify({ ...before, gateways: rows }), { mode: 0o600 })
      const ended = yield* run("health")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /Another Gateway answers behind box[\s\S]*Fix: .*openclaw tunnel forget box/)
      yield* configure({ url: `ws://127.0.0.1:${yield* Sshd.freePort}` })
      assert.strictEqual((yield* run("health")).code, 1, "by another port of this machine it is the same place")
      assert.notInclude(JSON.stringify(ended), gateway.token)
    }).pipe(Effect.provide(GatewayTest.layer()))
  )
})

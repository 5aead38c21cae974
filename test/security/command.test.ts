/** `openclaw security audit` as people run it: files, fixes, and a Gateway that runs. */
import { execFileSync, spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ConfigLive from "../../src/layers/config/Config.ts"
import { audit, type Finding } from "../../src/layers/security/audit.ts"
import type { Fixed } from "../../src/layers/security/fix.ts"
import { look } from "../../src/layers/security/look.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { home, run } from "../cli/kit.ts"
import { certificate } from "../tls/kit.ts"

interface Report {
  readonly summary: { readonly critical: number; readonly warn: number; readonly info: number }
  readonly findings: ReadonlyArray<Finding>
  readonly suppressedFindings?: ReadonlyArray<Finding>
  readonly deep?: { readonly gateway: { readonly ok: boolean; readonly url: string; readonly error: string | null } }
  readonly secretDiagnostics?: ReadonlyArray<string>
}
interface Answer {
  readonly fix: Fixed
  readonly report: Report
}
const idsOf = ({ findings }: Report) => findings.map(({ checkId }) => checkId)

const SECRET = "short-and-secret"
const modeOf = (path: string) => statSync(path).mode & 0o777

/** A home with this configuration. */
const prepared = Effect.fnUntraced(function* (config: unknown) {
  const here = yield* home
  const stateDir = join(here, ".openclaw")
  mkdirSync(stateDir, { mode: 0o700 })
  const file = join(stateDir, "openclaw.json")
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  return { here, stateDir, file }
})

const overTls = Effect.gen(function* () {
  const tls = { enabled: true, certPath: "cert.pem", keyPath: "key.pem" }
  const found = yield* prepared({ gateway: { bind: "lan", tls, auth: { mode: "token", token: SECRET } } })
  const own = yield* Effect.promise(() => certificate(Date.UTC(1990, 0, 1)))
  writeFileSync(join(found.stateDir, "cert.pem"), own.cert)
  writeFileSync(join(found.stateDir, "key.pem"), own.key, { mode: 0o600 })
  chmodSync(found.stateDir, 0o755)
  chmodSync(found.file, 0o644)
  return found
})

describe("openclaw security audit", () => {
  it.live("tells what it found, leaves the state directory as it is, and shows no secret", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* overTls
      const ended = yield* run({ home: here }, "security", "audit", "--json")
      assert.strictEqual(ended.code, 0, ended.stdout)
      const report = JSON.parse(ended.stdout) as Report
      assert.deepStrictEqual(report.summary, { critical: 1, warn: 3, info: 1 })
      assert.deepStrictEqual(report.secretDiagnostics, [])
      assert.sameMembers(idsOf(report), [
        "fs.config.perms_world_readable",
        "gateway.token_too_short",
        "gateway.tls_expired",
        "fs.state_dir.perms_readable",
        "gateway.bind_exposed"
      ])
      assert.notInclude(ended.stdout, SECRET)
      assert.strictEqual(modeOf(stateDir), 0o755)
      chmodSync(file, 0o644)
      const text = yield* run({ home: here }, "security", "audit")
      assert.include(text.stdout, "CRITICAL fs.config.perms_world_readable")
      assert.include(text.stdout, "5 findings: 1 critical, 3 to look at, 1 to know.")
    })
  )

  it.live("--fix closes files and leaves the rest to people", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* overTls
      const ended = yield* run({ home: here }, "security", "audit", "--fix", "--json")
      const { fix, report } = JSON.parse(ended.stdout) as Answer
      assert.isTrue(fix.ok)
      assert.isFalse(fix.configWritten)
      assert.deepStrictEqual(fix.actions, [
        { kind: "chmod", path: stateDir, mode: 0o700, ok: true },
        { kind: "chmod", path: file, mode: 0o600, ok: true }
      ])
      assert.strictEqual(modeOf(file), 0o600)
      assert.strictEqual(modeOf(stateDir), 0o700)
      assert.isFalse(existsSync(`${file}.before-fix`))
      assert.deepStrictEqual(report.summary, { critical: 0, warn: 2, info: 1 })
    })
  )

  it.live("--fix narrows what may be narrowed, keeps the file as it was, and does nothing twice", () =>
    Effect.gen(function* () {
      const config = {
        discovery: { mdns: { mode: "full" } },
        gateway: { auth: { mode: "none" } },
        channels: { telegram: { groupPolicy: "open", accounts: { work: { groupPolicy: "open", allowFrom: [1] } } } },
        somebody: { elses: [1] }
      }
      const { file, here, stateDir } = yield* prepared(config)
      mkdirSync(join(stateDir, "state"), { mode: 0o755 })
      mkdirSync(join(stateDir, "workspace"), { mode: 0o755 })
      writeFileSync(join(stateDir, "state", "openclaw.sqlite"), "", { mode: 0o644 })
      writeFileSync(join(here, "elsewhere"), "")
      chmodSync(join(here, "elsewhere"), 0o644)
      symlinkSync(join(here, "elsewhere"), join(stateDir, "device-token.key"))
      execFileSync("mkfifo", [join(stateDir, "gateway-id")])
      // As a program writes it: what somebody wrote by hand is in `.bak` already.
      writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`)
      writeFileSync(`${file}.bak`, "// by hand", { mode: 0o600 })
      const before = readFileSync(file, "utf8")
      const first = yield* run({ home: here }, "security", "audit", "--fix", "--json")
      const { fix, report } = JSON.parse(first.stdout) as Answer
      assert.deepStrictEqual(fix.changes, [
        "channels.telegram.groupPolicy=open -> allowlist",
        "channels.telegram.accounts.work.groupPolicy=open -> allowlist",
        "discovery.mdns.mode=full -> minimal"
      ])
      assert.deepStrictEqual(fix.errors, [])
      assert.strictEqual(fix.backup, `${file}.before-fix`)
      assert.strictEqual(readFileSync(`${file}.before-fix`, "utf8"), before)
      assert.strictEqual(modeOf(`${file}.before-fix`), 0o600)
      assert.strictEqual(readFileSync(`${file}.bak`, "utf8"), "// by hand")
      const after = JSON.parse(readFileSync(file, "utf8"))
      assert.deepStrictEqual(after.gateway, config.gateway)
      assert.deepStrictEqual(after.somebody, config.somebody)
      assert.strictEqual(after.channels.telegram.accounts.work.groupPolicy, "allowlist")
      assert.strictEqual(modeOf(join(stateDir, "state", "openclaw.sqlite")), 0o600)
      assert.strictEqual(modeOf(join(stateDir, "state")), 0o700)
      // What a link leads to, and what the user keeps for the agent, is theirs.
      assert.strictEqual(modeOf(join(here, "elsewhere")), 0o644)
      assert.strictEqual(modeOf(join(stateDir, "workspace")), 0o755)
      assert.sameMembers(idsOf(report), ["gateway.loopback_no_auth", "fs.state_file.symlink", "fs.state_file.kind"])
      const second = yield* run({ home: here }, "security", "audit", "--fix", "--json")
      assert.deepInclude((JSON.parse(second.stdout) as Answer).fix, { changes: [], actions: [], configWritten: false })
      assert.strictEqual(readFileSync(`${file}.before-fix`, "utf8"), before)
    })
  )

  it.live("--fix leaves a home and what is no Gateway's as it is, and says why", () =>
    Effect.gen(function* () {
      const here = yield* home
      const page = join(here, "page.html")
      writeFileSync(page, "")
      chmodSync(page, 0o644)
      const fixed = (stateDir: string) =>
        run({ home: here, variables: { OPENCLAW_STATE_DIR: stateDir } }, "security", "audit", "--fix", "--json")
      const elsewhere = join(here, "srv")
      mkdirSync(elsewhere)
      chmodSync(elsewhere, 0o755)
      writeFileSync(join(here, "openclaw.json"), "{}", { mode: 0o600 })
      for (const [dir, why] of [
        [here, "it is a home directory"],
        [elsewhere, "nothing of a Gateway is in it"]
      ] as const) {
        const { fix } = JSON.parse((yield* fixed(dir)).stdout) as Answer
        assert.isFalse(fix.ok)
        assert.include(fix.errors.join(), `${dir} is left as it is: ${why}`)
        assert.deepStrictEqual(fix.actions, [])
      }
      assert.deepStrictEqual([modeOf(page), modeOf(elsewhere)], [0o644, 0o755])
    })
  )

  it.live("--fix says what stands in an included file", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* prepared({ channels: { $include: "channels.json" } })
      writeFileSync(join(stateDir, "channels.json"), JSON.stringify({ telegram: { groupPolicy: "open" } }), {
        mode: 0o600
      })
      chmodSync(join(stateDir, "channels.json"), 0o644)
      const open = JSON.parse((yield* run({ home: here }, "security", "audit", "--json")).stdout) as Report
      assert.include(idsOf(open), "fs.state_file.perms_readable")
      const before = readFileSync(file, "utf8")
      const { fix } = JSON.parse((yield* run({ home: here }, "security", "audit", "--fix", "--json")).stdout) as Answer
      assert.isFalse(fix.ok)
      assert.include(
        fix.errors.join(),
        "channels.telegram.groupPolicy stands in a file that the configuration includes"
      )
      assert.strictEqual(readFileSync(file, "utf8"), before)
      assert.isFalse(existsSync(`${file}.before-fix`))
    })
  )

  it.live("goes on where a secret has no value, and names its key", () =>
    Effect.gen(function* () {
      const token = { source: "env", provider: "default", id: "NOWHERE_TO_BE_FOUND" }
      const { here } = yield* prepared({ gateway: { bind: "lan", auth: { mode: "token", token } } })
      const ended = yield* run({ home: here }, "security", "audit", "--json")
      assert.strictEqual(ended.code, 0, ended.stdout)
      const report = JSON.parse(ended.stdout) as Report
      assert.include(idsOf(report), "gateway.auth_unresolved")
      assert.include(report.secretDiagnostics?.join(), "gateway.auth.token")
    })
  )

  it.live("shows what was accepted apart", () =>
    Effect.gen(function* () {
      const suppression = { checkId: "gateway.loopback_no_auth", reason: "nobody else is here" }
      const { here } = yield* prepared({
        gateway: { auth: { mode: "none" } },
        security: { audit: { suppressions: [suppression] } }
      })
      const report = JSON.parse((yield* run({ home: here }, "security", "audit", "--json")).stdout) as Report
      assert.deepStrictEqual(report.summary, { critical: 0, warn: 0, info: 1 })
      assert.deepStrictEqual(idsOf(report), ["security.audit.suppressions.active"])
      assert.lengthOf(report.suppressedFindings ?? [], 1)
      assert.deepInclude(report.suppressedFindings?.[0], suppression)
    })
  )

  it.live("knows a token that a script left behind", () =>
    Effect.gen(function* () {
      const { here } = yield* prepared({ gateway: { auth: { mode: "token", token: "undefined" } } })
      const report = JSON.parse((yield* run({ home: here }, "security", "audit", "--json")).stdout) as Report
      assert.deepStrictEqual(idsOf(report), ["gateway.token_placeholder_value"])
    })
  )

  it.live.skipIf(process.platform !== "linux")("knows a secret in the list of processes, and does not repeat it", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* prepared({})
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)", "--", "--token", SECRET])),
        (started) => Effect.sync(() => void started.kill("SIGKILL"))
      )
      const { facts } = yield* look({ stateDir, env: {}, pid: child.pid }).pipe(
        Effect.provide(ConfigLive.layer({ file, env: { HOME: here } }).pipe(Layer.provideMerge(NodeServices.layer)))
      )
      assert.deepStrictEqual(facts.secretFlags, ["--token"])
      const found = audit(facts)
      assert.include(
        found.map(({ checkId }) => checkId),
        "gateway.secret_in_argv"
      )
      assert.notInclude(JSON.stringify(found), SECRET)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(process.platform !== "linux")("looks at the Gateway as it was started", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* prepared({})
      const found = Effect.fnUntraced(function* (flags: ReadonlyArray<string>) {
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)", "--", ...flags])),
          (started) => Effect.sync(() => void started.kill("SIGKILL"))
        )
        const { facts } = yield* look({ stateDir, env: {}, pid: child.pid }).pipe(
          Effect.provide(ConfigLive.layer({ file, env: { HOME: here } }).pipe(Layer.provideMerge(NodeServices.layer)))
        )
        return audit(facts)
      }, Effect.scoped)
      const open = yield* found(["--bind", "lan", "--auth=none"])
      assert.sameMembers(
        open.map(({ checkId }) => checkId),
        ["gateway.bind_no_auth", "gateway.bind_no_tls", "gateway.bind_exposed", "gateway.started_with_flags"]
      )
      assert.include(JSON.stringify(open), "--auth none and --bind lan")
      const funnel = yield* found(["--tailscale=funnel", "--bind=nowhere"])
      assert.deepStrictEqual(
        funnel.map(({ checkId }) => checkId),
        ["gateway.tailscale_funnel", "gateway.started_with_flags"]
      )
      assert.deepStrictEqual(yield* found(["--port", "0"]), [])
    }).pipe(Effect.scoped)
  )

  it.live("judges a key by the file, not by the link that leads to it", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* overTls
      const config = JSON.parse(readFileSync(file, "utf8"))
      config.gateway.tls.keyPath = "live.pem"
      writeFileSync(file, JSON.stringify(config))
      symlinkSync(join(stateDir, "key.pem"), join(stateDir, "live.pem"))
      const keys = Effect.map(run({ home: here }, "security", "audit", "--json"), ({ stdout }) =>
        (JSON.parse(stdout) as Report).findings.filter(({ checkId }) => checkId === "gateway.tls_key_perms")
      )
      assert.deepStrictEqual(yield* keys, [])
      chmodSync(join(stateDir, "key.pem"), 0o644)
      assert.include((yield* keys)[0]?.detail, "key.pem had mode 644")
    })
  )

  it.live("makes nothing where nothing is", () =>
    Effect.gen(function* () {
      const here = yield* home
      const ended = yield* run({ home: here }, "security", "audit", "--deep", "--timeout", "500")
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.include(ended.stdout, "gateway.probe_failed")
      assert.strictEqual((yield* run({ home: here }, "security", "audit")).stdout, "Nothing found.")
      assert.throws(() => statSync(join(here, ".openclaw")))
    })
  )

  it.live("--deep asks the Gateway that runs which devices were let in", () =>
    Effect.gen(function* () {
      const here = yield* home
      const services = yield* Layer.build(GatewayTest.layer({ models: ScriptedModel.layer([]) }))
      const kit = Context.get(services, GatewayTest.GatewayTest)
      const url = `ws://127.0.0.1:${kit.port}`
      const asked = (token: string) =>
        run({ home: here }, "security", "audit", "--deep", "--json", "--url", url, "--token", token)
      const report = JSON.parse((yield* asked(kit.token)).stdout) as Report
      assert.deepInclude(report.deep?.gateway, { ok: true, error: null })
      assert.deepStrictEqual(report.findings, [])
      const wrong = yield* asked("a-wrong-token-of-some-length")
      assert.deepStrictEqual(idsOf(JSON.parse(wrong.stdout) as Report), ["gateway.probe_failed"])
      assert.notInclude(wrong.stdout, "a-wrong-token")
    }).pipe(Effect.scoped)
  )
})

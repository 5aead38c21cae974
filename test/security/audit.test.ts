/** `openclaw security audit`: every check is provoked, and a Gateway as it comes has nothing to answer for. */
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { audit, type Facts, type Finding } from "../../src/layers/security/audit.ts"
import { home, run } from "../cli/kit.ts"
import { certificate } from "../tls/kit.ts"

const rights = (mode: number, link = false) => ({ path: "x", mode, link })
const facts = (change: Partial<Facts>): Facts => ({
  config: {},
  auth: { mode: "token", secretLength: 48, source: "config" },
  stateDir: rights(0o700),
  configFile: rights(0o600),
  now: 1000,
  ...change
})
const ids = (change: Partial<Facts>) => audit(facts(change)).map(({ checkId, severity }) => `${severity} ${checkId}`)
const gateway = (section: NonNullable<Facts["config"]["gateway"]>): Partial<Facts> => ({ config: { gateway: section } })
const telegram = (section: NonNullable<NonNullable<Facts["config"]["channels"]>["telegram"]>): Partial<Facts> => ({
  config: { channels: { telegram: section } }
})

describe("audit", () => {
  it("finds nothing in what is safe", () => {
    for (const change of [
      {},
      gateway({ bind: "auto" }),
      gateway({ bind: "custom", customBindHost: "[::1]" }),
      telegram({ dmPolicy: "pairing" }),
      telegram({ enabled: false, dmPolicy: "open" }),
      { stateDir: undefined, configFile: undefined },
      { auth: { mode: "token", source: "generated" } },
      { ...gateway({ tls: { enabled: true } }), tlsKey: rights(0o640), certificateValidTo: 1001 }
    ] as const) {
      assert.deepStrictEqual(ids(change), [])
    }
  })

  it.each<readonly [string, Partial<Facts>, ReadonlyArray<string>]>([
    [
      "lan without a credential",
      { ...gateway({ bind: "lan" }), auth: { mode: "none" } },
      ["critical gateway.bind_no_auth", "warn gateway.bind_no_tls", "info gateway.bind_exposed"]
    ],
    ["loopback without one", { auth: { mode: "none" } }, ["critical gateway.loopback_no_auth"]],
    [
      "the HTTP API without one",
      { ...gateway({ http: { endpoints: { chatCompletions: { enabled: true } } } }), auth: { mode: "none" } },
      ["critical gateway.loopback_no_auth", "warn gateway.http.no_auth"]
    ],
    ["lan over TLS", gateway({ bind: "lan", tls: { enabled: true } }), ["info gateway.bind_exposed"]],
    ["tailnet", gateway({ bind: "tailnet" }), ["info gateway.bind_exposed"]],
    [
      "custom",
      gateway({ bind: "custom", customBindHost: "203.0.113.9" }),
      ["warn gateway.bind_no_tls", "info gateway.bind_exposed"]
    ],
    [
      "every origin",
      gateway({ controlUi: { allowedOrigins: ["*"] } }),
      ["warn gateway.control_ui.allowed_origins_wildcard"]
    ],
    [
      "every origin, from everywhere",
      gateway({ bind: "tailnet", controlUi: { allowedOrigins: ["*"] } }),
      ["critical gateway.control_ui.allowed_origins_wildcard", "info gateway.bind_exposed"]
    ],
    ["a short token", { auth: { mode: "token", secretLength: 23 } }, ["warn gateway.token_too_short"]],
    [
      "a placeholder",
      { auth: { mode: "password", secretLength: 4, placeholder: true, source: "environment" } },
      ["critical gateway.password_placeholder_value"]
    ],
    [
      "a password in the file",
      { auth: { mode: "password", secretLength: 30, source: "config" } },
      ["warn config.secrets.gateway_password_in_config"]
    ],
    ["state 0777", { stateDir: rights(0o777) }, ["critical fs.state_dir.perms_world_writable"]],
    ["state 0770", { stateDir: rights(0o770) }, ["warn fs.state_dir.perms_group_writable"]],
    ["state 0755", { stateDir: rights(0o755) }, ["warn fs.state_dir.perms_readable"]],
    ["state, a link", { stateDir: rights(0o777, true) }, ["warn fs.state_dir.symlink"]],
    ["configuration 0620", { configFile: rights(0o620) }, ["critical fs.config.perms_writable"]],
    ["configuration 0644", { configFile: rights(0o644) }, ["critical fs.config.perms_world_readable"]],
    ["configuration 0640", { configFile: rights(0o640) }, ["warn fs.config.perms_group_readable"]],
    ["configuration, a link", { configFile: rights(0o777, true) }, ["warn fs.config.symlink"]],
    ["a key for all", { tlsKey: rights(0o644) }, ["critical gateway.tls_key_perms"]],
    ["an old certificate", { certificateValidTo: 999 }, ["warn gateway.tls_expired"]],
    ["an open bot", telegram({ dmPolicy: "open" }), ["critical channels.telegram.dm.open"]],
    [
      "an open account",
      telegram({ accounts: { work: { groupPolicy: "open" } } }),
      ["warn channels.telegram.group.open"]
    ]
  ])("%s", (_, change, expected) => {
    assert.deepStrictEqual(ids(change), expected)
    for (const found of audit(facts(change))) assert.notStrictEqual(found.remediation, "")
  })
})

interface Report {
  readonly summary: { readonly critical: number; readonly warn: number; readonly info: number }
  readonly findings: ReadonlyArray<Finding>
}

describe("openclaw security audit", () => {
  const SECRET = "short-and-secret"
  const prepared = Effect.gen(function* () {
    const here = yield* home
    const stateDir = join(here, ".openclaw")
    const own = yield* Effect.promise(() => certificate(Date.UTC(1990, 0, 1)))
    mkdirSync(stateDir)
    chmodSync(stateDir, 0o755)
    writeFileSync(join(stateDir, "cert.pem"), own.cert)
    writeFileSync(join(stateDir, "key.pem"), own.key, { mode: 0o600 })
    const tls = { enabled: true, certPath: "cert.pem", keyPath: "key.pem" }
    const config = { gateway: { bind: "lan", tls, auth: { mode: "token", token: SECRET } } }
    const file = join(stateDir, "openclaw.json")
    writeFileSync(file, JSON.stringify(config))
    chmodSync(file, 0o644)
    return { here, stateDir, file }
  })

  it.live("tells what it found, leaves the state directory as it is, and shows no secret", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* prepared
      const ended = yield* run({ home: here }, "security", "audit", "--json")
      assert.strictEqual(ended.code, 0, ended.stdout)
      const { findings, summary } = JSON.parse(ended.stdout) as Report
      assert.deepStrictEqual(summary, { critical: 1, warn: 3, info: 1 })
      assert.sameMembers(
        findings.map(({ checkId }) => checkId),
        [
          "fs.config.perms_world_readable",
          "gateway.token_too_short",
          "gateway.tls_expired",
          "fs.state_dir.perms_readable",
          "gateway.bind_exposed"
        ]
      )
      assert.notInclude(ended.stdout, SECRET)
      assert.strictEqual(statSync(stateDir).mode & 0o777, 0o755)
      chmodSync(file, 0o644)
      const text = yield* run({ home: here }, "security", "audit")
      assert.include(text.stdout, "CRITICAL fs.config.perms_world_readable")
      assert.include(text.stdout, "5 findings: 1 critical, 3 to look at, 1 to know.")
    })
  )

  it.live("--fix closes files and leaves the rest to people", () =>
    Effect.gen(function* () {
      const { file, here, stateDir } = yield* prepared
      const ended = yield* run({ home: here }, "security", "audit", "--fix", "--json")
      const { fix, report } = JSON.parse(ended.stdout) as { fix: { changed: ReadonlyArray<string> }; report: Report }
      assert.deepStrictEqual(fix.changed, [stateDir, file])
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(statSync(stateDir).mode & 0o777, 0o700)
      assert.deepStrictEqual(report.summary, { critical: 0, warn: 2, info: 1 })
    })
  )

  it.live("makes nothing where nothing is", () =>
    Effect.gen(function* () {
      const here = yield* home
      const ended = yield* run({ home: here }, "security", "audit")
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.strictEqual(ended.stdout, "Nothing found.")
      assert.throws(() => statSync(join(here, ".openclaw")))
    })
  )
})

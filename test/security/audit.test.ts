/** `openclaw security audit`: every check is provoked, and what nearly provokes it does not. */
import { assert, describe, it } from "@effect/vitest"
import { audit } from "../../src/layers/security/audit.ts"
import { dangerousFlagsIn } from "../../src/layers/security/dangerousFlags.ts"
import { type Devices, devices } from "../../src/layers/security/devices.ts"
import { withoutSuppressed } from "../../src/layers/security/suppressions.ts"
import { facts, folder, ids } from "./facts.ts"
import { rightsOfOthers } from "./rights.ts"
import { openings } from "./openings.ts"

describe("audit", () => {
  it("finds nothing in what is safe", () => {
    assert.deepStrictEqual(ids({}), [])
    assert.deepStrictEqual(audit({ config: {}, auth: { mode: "token", source: "generated" }, now: 0 }), [])
  })

  it.each([...openings, ...rightsOfOthers])("%s", (_, change, expected, near) => {
    assert.deepStrictEqual(ids(change), expected)
    for (const found of audit(facts(change))) {
      for (const text of [found.title, found.detail, found.remediation]) assert.notStrictEqual(text, "")
    }
    const provoked = new Set(expected)
    for (const almost of near) {
      assert.deepStrictEqual(
        ids(almost).filter((id) => provoked.has(id)),
        [],
        JSON.stringify(almost)
      )
    }
  })

  it("leaves out what was accepted, and says that it does", () => {
    const found = audit(facts({ auth: { mode: "none" }, stateDir: folder(0o755) }))
    const left = (
      suppressions: ReadonlyArray<{ checkId: string; detailIncludes?: string; titleIncludes?: string }>
    ) => {
      const { active, suppressed } = withoutSuppressed({ security: { audit: { suppressions } } }, found)
      return [active.map(({ checkId }) => checkId), suppressed.map(({ checkId }) => checkId)]
    }
    const both = ["gateway.loopback_no_auth", "fs.state_dir.perms_readable"]
    const told = "security.audit.suppressions.active"
    assert.deepStrictEqual(withoutSuppressed({}, found), { active: found, suppressed: [] })
    assert.deepStrictEqual(left([]), [both, []])
    assert.deepStrictEqual(left([{ checkId: "gateway.loopback_no_auth" }]), [[both[1], told], [both[0]]])
    assert.deepStrictEqual(left([{ checkId: "gateway" }]), [[...both, told], []])
    assert.deepStrictEqual(left([{ checkId: both[1]!, detailIncludes: "MODE 755" }]), [[both[0], told], [both[1]]])
    assert.deepStrictEqual(left([{ checkId: both[1]!, titleIncludes: "else" }]), [[...both, told], []])
    assert.deepStrictEqual(left([{ checkId: told }]), [[...both, told], []])
  })

  it("finds switches that are called dangerous, wherever they are", () => {
    const tree = { a: [{ dangerouslyOpen: true, dangerouslyShut: false }], allowInsecureAuth: true, safe: true }
    assert.deepStrictEqual(dangerousFlagsIn(tree), ["a[0].dangerouslyOpen", "allowInsecureAuth"])
    assert.deepStrictEqual(dangerousFlagsIn(undefined), [])
    const many = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`dangerous${index}`, true]))
    assert.lengthOf(dangerousFlagsIn(many), 50)
  })

  it("looks at the devices that were let in", () => {
    const now = Date.UTC(2026, 0, 1)
    const day = 24 * 60 * 60_000
    const token = (scopes: ReadonlyArray<string>, revokedAtMs?: number) => [
      { role: "operator", scopes, createdAtMs: 1, ...(revokedAtMs === undefined ? undefined : { revokedAtMs }) }
    ]
    const found = (...paired: Devices["paired"]) =>
      devices({ paired, pending: [] }, now).map(({ checkId, severity }) => `${severity} ${checkId}`)
    assert.deepStrictEqual(found({ deviceId: "a", tokens: token(["operator.admin"]), lastSeenAtMs: now }), [
      "info devices.admin_tokens"
    ])
    assert.deepStrictEqual(found({ deviceId: "a", tokens: token(["operator.admin"], 5), lastSeenAtMs: now }), [])
    assert.deepStrictEqual(found({ deviceId: "a", lastSeenAtMs: now - 91 * day }), ["warn devices.stale_pairing"])
    assert.deepStrictEqual(found({ deviceId: "a", lastSeenAtMs: now - 91 * day, connected: true }), [])
    assert.deepStrictEqual(found({ deviceId: "a", lastSeenAtMs: now - 89 * day }), [])
    const pending = [{ requestId: "r", deviceId: "a", ts: now }]
    assert.deepStrictEqual(
      devices({ paired: [], pending }, now).map(({ checkId }) => checkId),
      ["devices.pending_requests"]
    )
  })
})

import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { approveScopes, isAllowed, platformOf, rulesOf } from "../../src/layers/nodes/policy.ts"
import { clean, judge } from "../../src/layers/nodes/surface.ts"

const none = rulesOf({})
const declared =
  "browser.proxy browser.proxy.upload.v1 desktop.stream dir.fetch dir.list file.create file.fetch file.stat file.write fs.listDir mcp.tools.call.v1 ollama.chat ollama.models system.execApprovals.get system.execApprovals.set system.run system.run.prepare system.which terminal.upload workspace.memory workspace.skills".split(
    " "
  )

it("what OpenClaw's Linux node host declares comes down to the 13 that its Gateway kept", () => {
  const kept = declared.filter((command) => isAllowed(none, { platform: "linux" }, command))
  assert.deepStrictEqual(
    kept,
    "browser.proxy browser.proxy.upload.v1 desktop.stream fs.listDir mcp.tools.call.v1 ollama.chat ollama.models system.execApprovals.get system.execApprovals.set system.run system.run.prepare system.which terminal.upload".split(
      " "
    )
  )
})

it("platform and family must agree", () => {
  assert.strictEqual(platformOf("linux", "Linux"), "linux")
  assert.strictEqual(platformOf("Linux", undefined), "linux")
  assert.strictEqual(platformOf("linux", "iPhone"), "unknown")
  assert.strictEqual(platformOf("iOS 18.1", "iPhone"), "ios")
  assert.strictEqual(platformOf("android 15 (sdk 35)", "Android"), "android")
  assert.strictEqual(platformOf("macOS 15.1", "Mac"), "macos")
  assert.strictEqual(platformOf(undefined, "Windows"), "windows")
  assert.strictEqual(platformOf("linux-evil", "Linux"), "unknown")
  assert.strictEqual(platformOf(undefined, undefined), "unknown")
  assert.isFalse(isAllowed(none, { platform: "unknown" }, "system.run"))
})

const Command = Schema.Literals(["camera.snap", "sms.send", "system.run", "device.info", "made.up", "talk.ptt.start"])
const Case = Schema.Struct({
  command: Command,
  allow: Schema.Array(Command),
  deny: Schema.Array(Command),
  own: Schema.Array(Command),
  platform: Schema.Literals(["ios", "watchos", "android", "macos", "windows", "linux", "unknown"])
})

it.prop(
  "deny wins, dangerous commands need allow, allow suffices",
  [Case],
  ([{ allow, command, deny, own, platform }]) => {
    const rules = rulesOf({ gateway: { nodes: { commands: { allow, deny } } } })
    const allowed = isAllowed(rules, { platform, own: new Set(own) }, command)
    if (deny.includes(command)) return assert.isFalse(allowed)
    if (allow.includes(command)) return assert.isTrue(allowed)
    if (command === "camera.snap" || command === "sms.send") return assert.isFalse(allowed)
    if (own.includes(command)) return assert.isTrue(allowed)
    // The older key names say the same.
    const older = rulesOf({ gateway: { nodes: { allowCommands: allow, denyCommands: deny } } })
    return assert.strictEqual(isAllowed(older, { platform, own: new Set(own) }, command), allowed)
  }
)

const Names = Schema.Array(Schema.Literals(["a", "b", "c", "d"]))
const surface = Schema.Struct({ caps: Names, commands: Names })

it.prop(
  "nothing is covered that was not approved, and a request goes on only for the same surface",
  [surface, surface, surface],
  ([declared, approved, waiting]) => {
    const verdict = judge(declared, approved, waiting)
    const beyond =
      declared.commands.some((command) => !approved.commands.includes(command)) ||
      declared.caps.some((cap) => !approved.caps.includes(cap))
    assert.strictEqual(verdict === "covered", !beyond)
    const same = (left: ReadonlyArray<string>, right: ReadonlyArray<string>) =>
      new Set(left).size === new Set(right).size && left.every((entry) => right.includes(entry))
    if (verdict === "waiting") {
      assert.isTrue(same(declared.commands, waiting.commands) && same(declared.caps, waiting.caps))
    }
  }
)

it("scopes grow with what is approved", () => {
  assert.deepStrictEqual(approveScopes([]), ["operator.pairing"])
  assert.deepStrictEqual(approveScopes(["device.info"]), ["operator.pairing", "operator.write"])
  for (const command of ["system.run", "system.execApprovals.set"]) {
    assert.deepStrictEqual(approveScopes(["device.info", command]), ["operator.pairing", "operator.admin"])
  }
})

it("declared names are cleaned: no blanks, no control or right-to-left characters, no flood", () => {
  assert.deepStrictEqual(clean([" a ", "a", "", "b c", "x\u202ey", "x\ny", "y".repeat(129), "__proto__"]), [
    "a",
    "__proto__"
  ])
  assert.strictEqual(clean(Array.from({ length: 10_000 }, (_, index) => `c${index}`)).length, 256)
})

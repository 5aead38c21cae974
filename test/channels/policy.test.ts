import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { sessionKeyOf, runIdOf } from "../../src/layers/channels/Admission.ts"
import { parseCommand } from "../../src/layers/channels/chatCommands.ts"
import { decide, type Policy, policyOf, warningsOf } from "../../src/layers/channels/policy.ts"
import { groupPeer, inbound, telegram } from "./kit.ts"

const eve = { id: "7", username: "eve" }
const verdict = (policy: Policy, paired: ReadonlyArray<string> = [], changes = {}) =>
  decide(policy, inbound("hi", { sender: eve, ...changes }), paired).kind
const inGroup = (policy: Policy, changes = {}) => verdict(policy, ["7"], { peer: groupPeer(), ...changes })

describe("who may write directly", () => {
  const cases: ReadonlyArray<readonly [name: string, policy: Policy, paired: ReadonlyArray<string>, expected: string]> =
    [
      ["pairing is the default", {}, [], "pair"],
      ["paired", {}, ["7"], "admit"],
      ["somebody else is paired", {}, ["77", "07", " 7"], "pair"],
      ["listed under pairing", { allowFrom: ["7"] }, [], "admit"],
      ["listed as a number", { allowFrom: [7] }, [], "admit"],
      ["listed with a prefix", { allowFrom: ["tg:7"] }, [], "admit"],
      ["listed by username", { allowFrom: ["@eve", "eve"] }, [], "pair"],
      ["listed by somebody whose username is the number", { allowFrom: ["70"] }, [], "pair"],
      ["everybody under pairing", { allowFrom: ["*"] }, [], "admit"],
      ["allowlist, listed", { dmPolicy: "allowlist", allowFrom: ["telegram:7"] }, [], "admit"],
      ["allowlist, only paired", { dmPolicy: "allowlist", allowFrom: ["8"] }, ["7"], "drop"],
      ["allowlist, empty", { dmPolicy: "allowlist" }, ["7"], "drop"],
      ["allowlist by username", { dmPolicy: "allowlist", allowFrom: ["@eve"] }, [], "drop"],
      ["open", { dmPolicy: "open" }, [], "admit"],
      ["open, narrowed", { dmPolicy: "open", allowFrom: ["8"] }, ["7"], "drop"],
      ["open to everybody", { dmPolicy: "open", allowFrom: ["*"] }, [], "admit"],
      ["disabled", { dmPolicy: "disabled", allowFrom: ["7"] }, ["7"], "drop"]
    ]
  for (const [name, policy, paired, expected] of cases) {
    it(name, () => assert.strictEqual(verdict(policy, paired), expected))
  }
})

describe("groups", () => {
  const listed: Policy = { allowFrom: ["7"], groups: { "-1001": {} } }
  const cases: ReadonlyArray<readonly [name: string, policy: Policy, changes: object, expected: string]> = [
    ["no groups configured", { allowFrom: ["7"] }, {}, "drop"],
    ["listed group and sender", listed, {}, "admit"],
    ["another group", { allowFrom: ["7"], groups: { "-1002": {} } }, {}, "drop"],
    ["any group", { allowFrom: ["7"], groups: { "*": {} } }, {}, "admit"],
    ["not mentioned", listed, { addressed: false }, "drop"],
    [
      "not mentioned where it need not be",
      { allowFrom: ["7"], groups: { "-1001": { requireMention: false } } },
      { addressed: false },
      "admit"
    ],
    [
      "the group's own word counts before the general one",
      { allowFrom: ["7"], groups: { "*": { requireMention: false }, "-1001": { requireMention: true } } },
      { addressed: false },
      "drop"
    ],
    ["being paired opens no group", { groups: { "-1001": {} } }, {}, "drop"],
    [
      "groupAllowFrom replaces allowFrom",
      { allowFrom: ["7"], groupAllowFrom: ["8"], groups: { "-1001": {} } },
      {},
      "drop"
    ],
    ["the group's own senders", { allowFrom: ["8"], groups: { "-1001": { allowFrom: ["7"] } } }, {}, "admit"],
    [
      "the group's own senders under open",
      { groupPolicy: "open", groups: { "-1001": { allowFrom: ["8"] } } },
      {},
      "drop"
    ],
    ["open without groups", { groupPolicy: "open" }, {}, "admit"],
    ["open with other groups", { groupPolicy: "open", groups: { "-1002": {} } }, {}, "drop"],
    ["open, but no group at all", { groupPolicy: "open", groups: {} }, {}, "drop"],
    ["one open group", { groups: { "-1001": { groupPolicy: "open" } } }, {}, "admit"],
    ["disabled", { ...listed, groupPolicy: "disabled" }, {}, "drop"],
    ["one disabled group", { allowFrom: ["7"], groups: { "-1001": { enabled: false } } }, {}, "drop"],
    ["by username", { groupAllowFrom: ["@eve"], groups: { "-1001": {} } }, {}, "drop"],
    ["a channel", listed, { peer: { ...groupPeer(), chatType: "channel" } }, "drop"],
    [
      "in the name of a chat: no list of people names it",
      { groupPolicy: "allowlist", groupAllowFrom: ["7"], groups: { "-1001": {} } },
      { sender: { id: "-1001" } },
      "drop"
    ],
    [
      "in the name of a chat where everybody is heard",
      { groupPolicy: "open", groups: { "-1001": {} } },
      { sender: { id: "-1001" } },
      "admit"
    ]
  ]
  for (const [name, policy, changes, expected] of cases) {
    it(name, () => assert.strictEqual(inGroup(policy, changes), expected))
  }
})

describe("policies of accounts", () => {
  it("an account says what it says, and inherits the rest", () => {
    const config = telegram({
      dmPolicy: "allowlist",
      allowFrom: ["7"],
      accounts: { work: { dmPolicy: "open" }, home: {} }
    })
    assert.deepInclude(policyOf(config, "telegram", "work"), { dmPolicy: "open", allowFrom: ["7"] })
    assert.deepInclude(policyOf(config, "telegram", "home"), { dmPolicy: "allowlist", allowFrom: ["7"] })
    assert.deepStrictEqual(policyOf(config, "other", "home"), {})
  })

  it("an account cannot open to everybody what the channel closed", () => {
    const config = telegram({ allowFrom: ["7"], accounts: { work: { dmPolicy: "open", allowFrom: ["*"] } } })
    assert.strictEqual(verdict(policyOf(config, "telegram", "work"), [], { sender: { id: "8" } }), "drop")
    assert.strictEqual(verdict(policyOf(config, "telegram", "work")), "admit")
  })

  it("entries that never match are named", () => {
    const warnings = warningsOf(
      telegram({
        allowFrom: ["@eve", "7", "tg:8", "*", -1001],
        groups: { "-1001": { allowFrom: ["bob"] } },
        accounts: { work: { dmPolicy: "allowlist", allowFrom: [] } }
      })
    )
    assert.strictEqual(warnings.length, 4)
    assert.include(warnings[0], 'channels.telegram.allowFrom has "@eve"')
    assert.include(warnings[1], "-1001, which is a group")
    assert.include(warnings[2], 'channels.telegram.groups.-1001.allowFrom has "bob"')
    assert.include(warnings[3], "channels.telegram.accounts.work")
    assert.deepStrictEqual(warningsOf({}), [])
  })

  it.prop("a username is never let in, whatever it is", [Schema.String], ([username]) => {
    for (const dmPolicy of ["pairing", "allowlist"] as const) {
      const policy: Policy = { dmPolicy, allowFrom: [`@${username}`] }
      assert.notStrictEqual(verdict(policy, [], { sender: { id: "7", username } }), "admit")
    }
  })
})

describe("sessions and turns", () => {
  it("keys as OpenClaw writes them", () => {
    const key = (config: Parameters<typeof sessionKeyOf>[0], changes = {}) =>
      sessionKeyOf(config, inbound("hi", changes))
    assert.strictEqual(key({}), "agent:main:main")
    assert.strictEqual(key({ session: { mainKey: "home" } }), "agent:main:home")
    assert.strictEqual(key({ agents: { list: [{ id: "a" }, { id: "b", default: true }] } }), "agent:b:main")
    assert.strictEqual(key({ agents: { entries: { a: {}, c: { default: true } } } }), "agent:c:main")
    assert.strictEqual(key({ session: { dmScope: "per-peer" } }), "agent:main:direct:7")
    assert.strictEqual(key({ session: { dmScope: "per-channel-peer" } }), "agent:main:telegram:direct:7")
    assert.strictEqual(
      key({ session: { dmScope: "per-account-channel-peer" } }),
      "agent:main:telegram:default:direct:7"
    )
    assert.strictEqual(key({}, { peer: groupPeer() }), "agent:main:telegram:group:-1001")
    assert.strictEqual(key({}, { peer: groupPeer("-1001", "42") }), "agent:main:telegram:group:-1001:topic:42")
  })

  it("one message, one turn", () => {
    const message = inbound("hi")
    const again = { ...message, text: "other", updateId: "5000" }
    assert.strictEqual(runIdOf(message), runIdOf(again))
    for (const other of [{ source: "43" }, { messageId: "5000" }, { peer: groupPeer() }]) {
      assert.notStrictEqual(runIdOf(message), runIdOf({ ...message, ...other }))
    }
  })

  it("commands", () => {
    assert.deepStrictEqual(parseCommand("/stop"), { command: "stop", rest: "" })
    assert.deepStrictEqual(parseCommand("/START"), { command: "help", rest: "" })
    assert.deepStrictEqual(parseCommand("/new \n hello there "), { command: "new", rest: "hello there" })
    for (const text of ["/stopit", "stop", " /stop", "/", "/unknown", "/stop@other_bot"]) {
      assert.isUndefined(parseCommand(text), text)
    }
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SshTarget from "../../src/domain/SshTarget.ts"

const read = (input: string) => Result.map(SshTarget.parse(input, "--ssh"), SshTarget.parts)

describe("SshTarget", () => {
  it.each([
    ["box", { host: "box" }],
    [" me@box ", { user: "me", host: "box" }],
    ["me@box.example.com:2222", { user: "me", host: "box.example.com", port: 2222 }],
    ["my_alias.1", { host: "my_alias.1" }],
    ["192.0.2.7:22", { host: "192.0.2.7", port: 22 }],
    ["2001:db8::1", { host: "2001:db8::1" }],
    ["me@[2001:db8::1]:2222", { user: "me", host: "2001:db8::1", port: 2222 }],
    ["[fe80::1%eth0]", { host: "fe80::1%eth0" }]
  ])("reads %s", (input, parts) => assert.deepStrictEqual(Result.getOrThrow(read(input)), parts))

  it.each([
    "",
    " ",
    "-oProxyCommand=id",
    "u@-oProxyCommand=id",
    "-l@host",
    "h -oX",
    "h;id",
    "$(id)",
    "`id`",
    "h|id",
    "h&",
    "h\nb",
    "h\n",
    "h\0",
    "h\u001b[2J",
    "h\u202e",
    "hö",
    "a@b@c",
    "@h",
    "u@",
    "h:0",
    "h:70000",
    "h:",
    "h:22x",
    "h:-1",
    "h:22:33",
    "[h]:22",
    "[::1",
    "::1]",
    "[::1]x",
    "[]:22",
    ":::",
    "1:2:3",
    "%h",
    "h/../x",
    "ssh://h",
    "u:pw@h",
    "h".repeat(10_240)
  ])("refuses %j and does not repeat it", (input) => {
    const result = read(input)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.strictEqual(result.failure._tag, "SshTargetInvalid")
      assert.include(result.failure.message, "--ssh")
      if (input.length > 8) assert.notInclude(result.failure.message, input)
    }
  })

  it.prop("lets nothing through that ssh or a shell could read otherwise", [Schema.String], ([text]) => {
    const result = read(text)
    if (Result.isSuccess(result)) {
      for (const part of [result.success.host, result.success.user ?? "x"]) assert.match(part, /^[\w:][\w.:%+-]*$/)
    }
  })
})

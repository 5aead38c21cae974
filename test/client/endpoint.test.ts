import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Redacted from "effect/Redacted"
import * as Credential from "../../src/domain/Credential.ts"
import * as Endpoint from "../../src/domain/Endpoint.ts"

const read = (input: string) => Endpoint.parse(input, "--url")
const tagOf = (input: string) => {
  const result = read(input)
  return Result.isSuccess(result) ? result.success : result.failure._tag
}

describe("Endpoint", () => {
  it.each([
    ["ws://127.0.0.1:18789", "ws://127.0.0.1:18789"],
    [" WS://LocalHost:1/ ", "ws://localhost:1"],
    ["ws://[::1]:18789", "ws://[::1]:18789"],
    ["ws://[::ffff:127.0.0.1]:1", "ws://[::ffff:7f00:1]:1"],
    ["ws://10.1.2.3:1", "ws://10.1.2.3:1"],
    ["ws://172.31.0.1:1", "ws://172.31.0.1:1"],
    ["ws://192.168.1.5:1", "ws://192.168.1.5:1"],
    ["ws://169.254.3.4:1", "ws://169.254.3.4:1"],
    ["ws://100.64.0.1:1", "ws://100.64.0.1:1"],
    ["ws://[fd12::1]:1", "ws://[fd12::1]:1"],
    ["ws://[fe80::1]:1", "ws://[fe80::1]:1"],
    ["ws://mac.local:1", "ws://mac.local:1"],
    ["ws://box.tail1234.ts.net.:1", "ws://box.tail1234.ts.net.:1"],
    ["wss://gateway.example.com/claw", "wss://gateway.example.com/claw"],
    ["wss://gateway.example.com/claw/", "wss://gateway.example.com/claw/"]
  ])("accepts %s", (input, expected) => assert.strictEqual(tagOf(input), expected))

  it.each([
    "ws://192.0.2.2:1",
    "ws://172.32.0.1:1",
    "ws://100.128.0.1:1",
    "ws://0.0.0.0:1",
    "ws://3232235777x.example:1",
    "ws://local:1",
    "ws://evil.local.example.com:1",
    "ws://ts.net.example:1",
    "ws://127.0.0.1.example.com:1",
    "ws://[2001:db8::1]:1",
    "ws://[::ffff:8.8.8.8]:1"
  ])("refuses plain %s", (input) => {
    assert.strictEqual(tagOf(input), "InsecureEndpoint")
    assert.isFalse(Result.isSuccess(read(input)))
  })

  it.each([
    "",
    "gateway",
    "http://127.0.0.1:1",
    "ws://u:secret@127.0.0.1:1",
    "ws://127.0.0.1:1/?token=secret",
    "ws://127.0.0.1:1/#token=secret",
    "ws://127.0.0.1:70000",
    "ws://"
  ])("does not understand %s and does not repeat it", (input) => {
    const result = read(input)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure._tag, "InvalidEndpoint")
    assert.notInclude(result.failure.message, "secret")
  })

  it("knows what can be overheard", () => {
    assert.isTrue(Endpoint.isLoopback(Endpoint.loopback(1)))
    assert.isFalse(Endpoint.isLoopback(Endpoint.Endpoint.make("ws://10.0.0.1:1")))
    assert.isTrue(Endpoint.isEncrypted(Endpoint.Endpoint.make("wss://example.com")))
  })
})

it("a credential shows its secret to nobody but reveal", () => {
  const credential = Credential.token("canary-7781")
  assert.notInclude(JSON.stringify(credential), "canary")
  assert.notInclude(String(credential.secret), "canary")
  assert.strictEqual(Credential.reveal(credential), "canary-7781")
  assert.isTrue(Redacted.isRedacted(credential.secret))
})

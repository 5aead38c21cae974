/** Which Gateways are asked, and what each of them may be shown. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { discovered, known, type SshAsked, sshTargetOf } from "../../src/cli/candidates.ts"
import { gatewaysOf } from "../../src/cli/gateways.ts"
import type { Looked } from "../../src/cli/probeTarget.ts"
import type { TargetInput } from "../../src/client/credentials.ts"
import type { Beacon } from "../../src/client/discovery/beacon.ts"
import { reveal } from "../../src/domain/Credential.ts"
import { parse } from "../../src/domain/SshTarget.ts"

const server = Result.getOrThrow(parse("me@server", "the test"))
const other = Result.getOrThrow(parse("other", "the test"))
const env = { OPENCLAW_GATEWAY_TOKEN: "env" }
const both: TargetInput["config"] = {
  gateway: {
    mode: "local",
    auth: { token: "own" },
    remote: { url: "wss://gateway.example.com", token: "remote" }
  }
}
const overSsh: TargetInput["config"] = {
  gateway: { ...both.gateway, mode: "remote", remote: { sshTarget: "me@server", token: "remote" } }
}
const asked = (target: SshAsked["target"], discovered = false): SshAsked => ({
  target,
  discovered
})

/** `id endpoint: secrets`, an asterisk for the one that is meant. */
const table = (input: TargetInput, ssh?: SshAsked) =>
  known(input, ssh).map(({ active, id, target }) => {
    const found = Result.getOrThrow(target)
    const by = found.ssh === undefined ? "" : ` by ${found.ssh.target}`
    return `${active ? "*" : ""}${id} ${found.endpoint}${by}: ${found.credentials.map(reveal).join(" ")}`
  })

describe("known", () => {
  it("this machine's alone, where nothing else is configured", () => {
    assert.deepStrictEqual(table({ flags: {}, env, config: { gateway: { auth: { token: "own" } } } }), [
      "*localLoopback ws://127.0.0.1:18789: own"
    ])
  })

  it("the configured remote one too; each sees its own secret, flags are for the one that is meant", () => {
    assert.deepStrictEqual(table({ flags: { token: "flag" }, env, config: both }), [
      "configRemote wss://gateway.example.com: remote",
      "*localLoopback ws://127.0.0.1:18789: flag"
    ])
    const remote = { gateway: { ...both.gateway, mode: "remote" } } as const
    assert.deepStrictEqual(table({ flags: { token: "flag" }, env, config: remote }), [
      "*configRemote wss://gateway.example.com: flag",
      "localLoopback ws://127.0.0.1:18789: own"
    ])
  })

  it("what the environment holds is not shown to one that is not meant", () => {
    const config = { gateway: { mode: "remote", remote: { url: "wss://gateway.example.com" } } } as const
    assert.deepStrictEqual(table({ flags: {}, env, config }), [
      "*configRemote wss://gateway.example.com: env",
      "localLoopback ws://127.0.0.1:18789: "
    ])
  })

  it("an address given outright is the one that is meant, and flags are for it alone", () => {
    assert.deepStrictEqual(
      table({ flags: { url: "ws://127.0.0.1:1", token: "flag" }, env, config: both }, asked(server)),
      [
        "*explicit ws://127.0.0.1:1: flag",
        "sshTunnel ws://127.0.0.1:18789 by me@server: ",
        "configRemote wss://gateway.example.com: remote",
        "localLoopback ws://127.0.0.1:18789: own"
      ]
    )
  })

  it("--ssh: flags are for it; the configured target keeps its secret; another one sees nothing stored", () => {
    assert.deepStrictEqual(table({ flags: { token: "flag" }, env, config: both }, asked(server)), [
      "*sshTunnel ws://127.0.0.1:18789 by me@server: flag",
      "configRemote wss://gateway.example.com: remote",
      "localLoopback ws://127.0.0.1:18789: own"
    ])
    assert.deepStrictEqual(table({ flags: {}, env, config: overSsh }, asked(server)), [
      "*sshTunnel ws://127.0.0.1:18789 by me@server: remote",
      "localLoopback ws://127.0.0.1:18789: own"
    ])
    assert.deepStrictEqual(
      table({ flags: {}, env, config: overSsh }, asked(other))[0],
      "*sshTunnel ws://127.0.0.1:18789 by other: "
    )
    assert.deepStrictEqual(table({ flags: {}, env, config: overSsh }), [
      "*sshTunnel ws://127.0.0.1:18789 by me@server: remote",
      "localLoopback ws://127.0.0.1:18789: own"
    ])
  })

  it("--ssh-auto: a host that was found sees nothing, flags included", () => {
    const [found] = known({ flags: { token: "flag" }, env, config: both }, asked(other, true))
    const target = found === undefined ? undefined : Result.getOrThrow(found.target)
    assert.deepStrictEqual([target?.credentials, target?.ssh?.credentials, target?.storedTokens], [[], [], false])
  })

  it("wrong settings of one leave the others", () => {
    const config = { gateway: { remote: { url: "http://x" } } }
    const [remote, local] = known({ flags: {}, env: {}, config }, undefined)
    assert.isTrue(remote !== undefined && Result.isFailure(remote.target))
    assert.isTrue(local !== undefined && Result.isSuccess(local.target))
  })
})

const beacon = (over: Partial<Beacon>): Beacon => ({
  instanceName: "den",
  displayName: "den",
  domain: "local.",
  host: "den.local",
  port: 18_789,
  addresses: ["192.168.1.5"],
  wsUrl: "ws://den.local:18789",
  txt: { gatewayDirectReachable: "1" },
  ...over
})

describe("discovered", () => {
  const endpoints = (one: Partial<Beacon>) =>
    discovered([beacon(one)]).map(({ target }) => {
      const found = Result.getOrThrow(target)
      assert.deepStrictEqual([found.credentials, found.storedTokens, found.tlsFingerprint], [[], false, undefined])
      return found.endpoint
    })

  it("by its own address, with nothing to show, whatever the hints say", () => {
    const txt = {
      gatewayDirectReachable: "1",
      gatewayTls: "1",
      gatewayTlsSha256: "ab".repeat(32),
      lanHost: "evil.local"
    }
    assert.deepStrictEqual(endpoints({ txt }), ["wss://192.168.1.5:18789"])
    assert.deepStrictEqual(endpoints({ addresses: ["fe80::5", "fd00::5"] }), ["ws://[fd00::5]:18789"])
  })

  it("never this machine, a public address, or one that listens for its own machine only", () => {
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "8.8.8.8", "2001:db8::1", "x", "0.0.0.0"]) {
      assert.deepStrictEqual(endpoints({ addresses: [address] }), [], address)
    }
    assert.deepStrictEqual(endpoints({ addresses: ["8.8.8.8", "192.168.1.5"] }), ["ws://192.168.1.5:18789"])
    assert.deepStrictEqual(endpoints({ txt: {} }), [])
  })

  it("a host to log in to is a host and nothing else", () => {
    assert.strictEqual(sshTargetOf("den.local"), "den.local")
    for (const host of [
      "-oProxyCommand=x.local",
      "root@den.local",
      "den-(2).local",
      "den.local:2222",
      "a b.local",
      "",
      "vps",
      "vps.example.com"
    ]) {
      assert.isUndefined(sshTargetOf(host), host)
    }
  })
})

describe("gatewaysOf", () => {
  const [candidate] = known({ flags: {}, env: {}, config: {} }, undefined)
  const looked = (id: string, over: Partial<Looked>) =>
    ({ heard: true, candidate: { ...candidate, id }, ...over }) as Looked
  const ids = (...all: ReadonlyArray<Looked>) => gatewaysOf(all).map(({ targetIds }) => targetIds.join("="))
  const who = (deviceId: string, proven = true) => ({ identity: { deviceId, proven } })
  const shows = (tls: string) => ({ tlsFingerprint: tls }) as Partial<Looked>

  it("the same identity is the same Gateway, by whatever way", () => {
    assert.deepStrictEqual(ids(looked("a", who("1")), looked("b", who("2")), looked("c", who("1"))), ["b", "a=c"])
  })

  it("the same certificate too, also where only one of them says who it is", () => {
    assert.deepStrictEqual(
      ids(looked("a", shows("x")), looked("b", { ...shows("x"), ...who("1") }), looked("c", who("1"))),
      ["a=b=c"]
    )
  })

  it("two identities behind one certificate are two", () => {
    assert.deepStrictEqual(
      ids(looked("a", { ...shows("x"), ...who("1") }), looked("b", { ...shows("x"), ...who("2") })),
      ["a", "b"]
    )
  })

  it("who says nothing of itself is nobody else, and who was not heard is nobody", () => {
    assert.deepStrictEqual(ids(looked("a", {}), looked("b", {}), looked("c", { heard: false, ...who("1") })), [
      "a",
      "b"
    ])
  })

  it("is proven only where each of them proved it", () => {
    assert.deepStrictEqual(
      gatewaysOf([looked("a", who("1")), looked("b", who("1", false))]).map(({ proven }) => proven),
      [false]
    )
  })
})

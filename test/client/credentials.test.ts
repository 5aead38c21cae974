import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { resolveTarget, type TargetInput } from "../../src/client/index.ts"
import { reveal } from "../../src/domain/Credential.ts"
import type { TunnelSpec } from "../../src/services/TunnelManager.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"

const remote = { gateway: { mode: "remote", remote: { url: "wss://r.example", token: "rt", password: "rp" } } } as const
const local = (auth: NonNullable<NonNullable<TargetInput["config"]["gateway"]>["auth"]>, more = {}) => ({
  gateway: { auth, ...more }
})
const envSecrets = { OPENCLAW_GATEWAY_TOKEN: "et", OPENCLAW_GATEWAY_PASSWORD: "ep" }
const envUrl = { OPENCLAW_GATEWAY_URL: "wss://e.example" }

/** `endpoint | kind=secret … | stored?`, or the error's tag. */
const resolve = (input: Partial<TargetInput>) =>
  Result.match(resolveTarget({ flags: {}, env: {}, config: {}, ...input }), {
    onFailure: (error) => error._tag,
    onSuccess: (target) =>
      [
        target.endpoint,
        target.credentials.map((credential) => `${credential.kind}=${reveal(credential)}`).join(" "),
        target.storedTokens ? "stored" : "explicit"
      ].join(" | ")
  })

describe("which Gateway, and which credentials it may see", () => {
  it.each<readonly [string, Partial<TargetInput>, string]>([
    ["nothing at all", {}, "ws://127.0.0.1:18789 |  | stored"],
    ["gateway.port", { config: { gateway: { port: 4000 } } }, "ws://127.0.0.1:4000 |  | stored"],
    [
      "the environment's port first",
      { env: { OPENCLAW_GATEWAY_PORT: "4001" }, config: { gateway: { port: 4000 } } },
      "ws://127.0.0.1:4001 |  | stored"
    ],
    ["a port that is none", { env: { OPENCLAW_GATEWAY_PORT: "99999" } }, "InvalidEndpoint"],
    ["a port with a tail", { env: { OPENCLAW_GATEWAY_PORT: "80; rm" } }, "InvalidEndpoint"],
    [
      "a custom bind host",
      { config: { gateway: { bind: "custom", customBindHost: "192.168.1.9", port: 4000 } } },
      "ws://192.168.1.9:4000 |  | stored"
    ],
    [
      "a custom bind host that means all",
      { config: { gateway: { bind: "custom", customBindHost: "0.0.0.0" } } },
      "ws://127.0.0.1:18789 |  | stored"
    ],
    [
      "a custom bind host in public",
      { config: { gateway: { bind: "custom", customBindHost: "203.0.113.9" } } },
      "InsecureEndpoint"
    ],
    ["local token", { config: local({ token: "ct" }) }, "ws://127.0.0.1:18789 | token=ct | stored"],
    [
      "local: file before environment",
      { config: local({ token: "ct" }), env: envSecrets },
      "ws://127.0.0.1:18789 | token=ct password=ep | stored"
    ],
    [
      "local, mode token",
      { config: local({ mode: "token", token: "ct", password: "cp" }), env: envSecrets },
      "ws://127.0.0.1:18789 | token=ct | stored"
    ],
    [
      "local, mode password",
      { config: local({ mode: "password", token: "ct" }), env: envSecrets },
      "ws://127.0.0.1:18789 | password=ep | stored"
    ],
    [
      "local, mode none",
      { config: local({ mode: "none", token: "ct" }), env: envSecrets },
      "ws://127.0.0.1:18789 |  | stored"
    ],
    [
      "flags before all, alone",
      { flags: { token: "ft" }, config: local({ token: "ct", password: "cp" }), env: envSecrets },
      "ws://127.0.0.1:18789 | token=ft | stored"
    ],
    [
      "blank flags are none",
      { flags: { token: "  " }, env: envSecrets },
      "ws://127.0.0.1:18789 | token=et password=ep | stored"
    ],
    [
      "the remote's secrets are not the local Gateway's",
      { config: { gateway: { remote: remote.gateway.remote } } },
      "ws://127.0.0.1:18789 |  | stored"
    ],
    ["remote", { config: remote }, "wss://r.example | token=rt password=rp | stored"],
    [
      "remote: token from the file, password from the environment",
      { config: remote, env: envSecrets },
      "wss://r.example | token=rt password=ep | stored"
    ],
    ["remote, flags", { config: remote, flags: { password: "fp" } }, "wss://r.example | password=fp | stored"],
    [
      "the last that a remote Gateway is shown is the local secret",
      { config: { gateway: { mode: "remote", remote: { url: "wss://r.example" }, auth: { token: "ct" } } } },
      "wss://r.example | token=ct | stored"
    ],
    ["remote without an address", { config: { gateway: { mode: "remote" } } }, "InvalidEndpoint"],
    [
      "remote in the clear",
      { config: { gateway: { mode: "remote", remote: { url: "ws://203.0.113.1" } } } },
      "InsecureEndpoint"
    ],
    [
      "OPENCLAW_GATEWAY_URL with environment credentials only",
      { env: { ...envUrl, ...envSecrets }, config: remote },
      "wss://e.example | token=et password=ep | explicit"
    ],
    ["OPENCLAW_GATEWAY_URL never sees the file", { env: envUrl, config: remote }, "MissingExplicitCredentials"],
    [
      "OPENCLAW_GATEWAY_URL with a flag",
      { env: { ...envUrl, ...envSecrets }, flags: { token: "ft" } },
      "wss://e.example | token=ft | explicit"
    ],
    ["--url alone", { flags: { url: "wss://f.example" } }, "MissingExplicitCredentials"],
    [
      "--url takes nothing from elsewhere",
      { flags: { url: "wss://f.example" }, env: { ...envUrl, ...envSecrets }, config: remote },
      "MissingExplicitCredentials"
    ],
    ["--url with a blank token", { flags: { url: "wss://f.example", token: " " } }, "MissingExplicitCredentials"],
    [
      "--url with a password",
      { flags: { url: "wss://f.example", password: "fp" }, env: envSecrets, config: remote },
      "wss://f.example | password=fp | explicit"
    ],
    ["--url in the clear", { flags: { url: "ws://203.0.113.1", token: "ft" } }, "InsecureEndpoint"],
    ["--url that is none", { flags: { url: "f.example", token: "ft" } }, "InvalidEndpoint"]
  ])("%s", (_name, input, expected) => assert.strictEqual(resolve(input), expected))

  it("says how to fix a missing credential, and shows no secret of the address", () => {
    const failed = resolveTarget({ flags: { url: "wss://user:canary@f.example" }, env: envSecrets, config: {} })
    assert(Result.isFailure(failed))
    assert.notInclude(failed.failure.message, "canary")
    const missing = resolveTarget({ flags: { url: "wss://f.example" }, env: envSecrets, config: {} })
    assert(Result.isFailure(missing))
    assert.include(missing.failure.message, "--token or --password")
    const named = resolveTarget({ flags: {}, env: envUrl, config: remote })
    assert(Result.isFailure(named))
    assert.match(named.failure.message, /^OPENCLAW_GATEWAY_URL [\s\S]*Fix: set OPENCLAW_GATEWAY_TOKEN/)
  })
})

type Remote = NonNullable<NonNullable<TargetInput["config"]["gateway"]>["remote"]>
const found = (given: Remote, more: Partial<TargetInput> = {}) =>
  resolveTarget({ flags: {}, env: {}, config: { gateway: { mode: "remote", remote: given } }, ...more })

describe("a node", () => {
  it.each<readonly [string, Partial<TargetInput>, string]>([
    [
      "remote: the environment first",
      { config: remote, env: envSecrets },
      "wss://r.example | token=et password=ep | stored"
    ],
    ["remote: then the file", { config: remote }, "wss://r.example | token=rt password=rp | stored"],
    [
      "local: the environment first",
      { config: local({ mode: "token", token: "ct" }), env: envSecrets },
      "ws://127.0.0.1:18789 | token=et | stored"
    ]
  ])("%s", (_name, input, expected) => assert.strictEqual(resolve({ ...input, node: true }), expected))
})

describe("the way to a remote Gateway", () => {
  const target = SshTarget.SshTarget.make("me@gateway-host:2222")
  const ssh = { transport: "ssh", sshTarget: target } as const

  it.each<readonly [string, Remote, Omit<TunnelSpec, "target"> | undefined]>([
    ["no transport, no target: a tunnel opened by hand works", { url: "ws://127.0.0.1:18789" }, undefined],
    ["direct beside a target", { transport: "direct", url: "wss://r.example", sshTarget: target }, undefined],
    ["ssh with nothing but a target", ssh, { localPort: 18_789, remotePort: 18_789, hostKeyPolicy: "strict" }],
    [
      "a target alone means ssh",
      { sshTarget: target },
      { localPort: 18_789, remotePort: 18_789, hostKeyPolicy: "strict" }
    ],
    [
      "the address names the near end, and its port the far one",
      { ...ssh, url: "ws://localhost:4000" },
      { localPort: 4000, remotePort: 4000, hostKeyPolicy: "strict" }
    ],
    [
      "everything said",
      { ...ssh, url: "ws://127.0.0.1:4000", remotePort: 5000, sshHostKeyPolicy: "openssh", sshIdentity: "~/.ssh/key" },
      { localPort: 4000, remotePort: 5000, hostKeyPolicy: "openssh", identityFile: "/home/me/.ssh/key" }
    ],
    [
      "an address on another machine is no tunnel's end, whatever target stands beside it",
      { url: "wss://r.example", sshTarget: target },
      undefined
    ]
  ])("%s", (_name, given, expected) => {
    const result = found(given, { home: "/home/me/" })
    assert(Result.isSuccess(result))
    assert.deepStrictEqual(
      result.success.ssh,
      expected === undefined
        ? undefined
        : { target, tls: undefined, identityFile: undefined, credentials: [], ...expected }
    )
  })

  it("the tunnel learns of the Gateway's own TLS, and of the pin", () => {
    const tlsOf = (given: Remote) => Result.getOrThrow(found({ ...ssh, ...given })).ssh?.tls
    assert.isUndefined(tlsOf({ url: "ws://127.0.0.1:4000" }))
    assert.deepStrictEqual(tlsOf({ url: "wss://127.0.0.1:4000" }), {})
    assert.strictEqual(
      tlsOf({ url: "wss://127.0.0.1:4000", tlsFingerprint: "AB".repeat(32) })?.fingerprint,
      "ab".repeat(32)
    )
  })

  it("the tunnel learns of the secrets that the Gateway behind it is shown, and of no others", () => {
    const result = found({ ...ssh, token: "rt" }, { env: { OPENCLAW_GATEWAY_TOKEN: "et" } })
    assert(Result.isSuccess(result))
    assert.deepStrictEqual(result.success.ssh?.credentials?.map(reveal), ["rt"])
    assert.deepStrictEqual(result.success.credentials.map(reveal), ["rt"])
  })

  it.each<readonly [string, Remote, string, RegExp]>([
    ["ssh without a target", { transport: "ssh", url: "ws://127.0.0.1:1" }, "InvalidEndpoint", /sshTarget is not set/],
    ["ssh to an option", { sshTarget: "-oProxyCommand=canary" }, "SshTargetInvalid", /gateway\.remote\.sshTarget/],
    ["ssh with an address elsewhere", { ...ssh, url: "wss://r.example" }, "InvalidEndpoint", /on another machine/],
    ["a key in a home that nobody knows", { ...ssh, sshIdentity: "~/key" }, "SettingInvalid", /begins with \//],
    ["a key in another's home", { ...ssh, sshIdentity: "~root/key" }, "SettingInvalid", /begins with \//],
    ["a relative key", { ...ssh, sshIdentity: "key" }, "SettingInvalid", /begins with \//],
    ["a key that looks like an option", { ...ssh, sshIdentity: "-oX" }, "SettingInvalid", /begins with \//],
    ["a key on two lines", { ...ssh, sshIdentity: "/k\n-oX" }, "SettingInvalid", /begins with \//],
    ["neither address nor target", {}, "InvalidEndpoint", /gateway\.remote\.sshTarget/],
    [
      "a pin that is none",
      { url: "wss://r.example", tlsFingerprint: "ab:cd" },
      "InvalidTlsFingerprint",
      /tlsFingerprint/
    ],
    ["a pin in the clear", { url: "ws://10.0.0.1", tlsFingerprint: "ab".repeat(32) }, "TlsPinWithoutTls", /wss:/]
  ])("%s is refused with the fix", (_name, given, tag, says) => {
    const result = found(given)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure._tag, tag)
    assert.match(result.failure.message, says)
    assert.match(result.failure.message, /\nFix: /)
    assert.notInclude(result.failure.message, "canary")
  })

  it("the configured pin is for the configured address, a flag's for any", () => {
    const configured = "AB:".repeat(31) + "AB"
    const pinOf = (result: ReturnType<typeof found>) =>
      Result.isSuccess(result) ? result.success.tlsFingerprint : result.failure._tag
    const given = { url: "wss://r.example", tlsFingerprint: configured }
    assert.strictEqual(pinOf(found(given)), "ab".repeat(32))
    assert.strictEqual(pinOf(found(given, { env: { ...envUrl, ...envSecrets } })), undefined)
    assert.strictEqual(pinOf(found(given, { flags: { url: "wss://f.example", token: "ft" } })), undefined)
    const flag = "cd".repeat(32)
    assert.strictEqual(pinOf(found(given, { flags: { tlsFingerprint: flag } })), flag)
    assert.strictEqual(
      pinOf(found(given, { flags: { url: "wss://f.example", token: "ft", tlsFingerprint: flag } })),
      flag
    )
    assert.strictEqual(pinOf(found(given, { flags: { tlsFingerprint: "no" } })), "InvalidTlsFingerprint")
  })
})

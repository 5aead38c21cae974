import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { resolveTarget, type TargetInput } from "../../src/client/index.ts"
import { reveal } from "../../src/domain/Credential.ts"

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
      "the local secret is not sent to the remote Gateway",
      { config: { gateway: { mode: "remote", remote: { url: "wss://r.example" }, auth: { token: "ct" } } } },
      "wss://r.example |  | stored"
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
    ["OPENCLAW_GATEWAY_URL never sees the file", { env: envUrl, config: remote }, "wss://e.example |  | explicit"],
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
  })
})

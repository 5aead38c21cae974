/** Every combination of what may be given, for every place that may name a Gateway. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { reveal } from "../../src/domain/Credential.ts"
import { type Place, secretsFor, type SecretSources } from "../../src/client/precedence.ts"

type Source = "flag" | "environment" | "gateway.auth" | "gateway.remote"
const SOURCES: ReadonlyArray<Source> = ["flag", "environment", "gateway.auth", "gateway.remote"]
const MODES = [undefined, "none", "token", "password", "trusted-proxy"] as const
type Mode = (typeof MODES)[number]

/** As OpenClaw's page on remote access has it, less what the remote's secrets may be used for. */
const DOCUMENTED: ReadonlyArray<readonly [Place, token: ReadonlyArray<Source>, password: ReadonlyArray<Source>]> = [
  ["flag", ["flag"], ["flag"]],
  ["environment", ["flag", "environment"], ["flag", "environment"]],
  [
    "remote",
    ["flag", "gateway.remote", "environment", "gateway.auth"],
    ["flag", "environment", "gateway.remote", "gateway.auth"]
  ],
  ["local", ["flag", "gateway.auth", "environment"], ["flag", "gateway.auth", "environment"]],
  ["node", ["flag", "environment", "gateway.auth"], ["flag", "environment", "gateway.auth"]],
  [
    "remote-node",
    ["flag", "environment", "gateway.remote", "gateway.auth"],
    ["flag", "environment", "gateway.remote", "gateway.auth"]
  ]
]

const subsets: ReadonlyArray<ReadonlySet<Source>> = Array.from(
  { length: 2 ** SOURCES.length },
  (_, bits) => new Set(SOURCES.filter((_, index) => (bits >> index) % 2 === 1))
)

const sources = (tokens: ReadonlySet<Source>, passwords: ReadonlySet<Source>, mode: Mode): SecretSources => {
  const pair = (source: Source) => ({
    token: tokens.has(source) ? `t ${source}` : undefined,
    password: passwords.has(source) ? ` p ${source} ` : "  "
  })
  const { password, token } = pair("environment")
  return {
    flags: pair("flag"),
    env: { OPENCLAW_GATEWAY_TOKEN: token, OPENCLAW_GATEWAY_PASSWORD: password, CLAWDBOT_GATEWAY_TOKEN: "old" },
    config: { gateway: { auth: { mode, ...pair("gateway.auth") }, remote: pair("gateway.remote") } }
  }
}

const shown = (place: Place, given: SecretSources) =>
  Result.match(secretsFor(place, given), {
    onSuccess: (found) => found.map((credential) => `${credential.kind}=${reveal(credential)}`),
    onFailure: ({ path }) => [`no ${path}`]
  })

const counted = (mode: Mode, place: Place, kind: "token" | "password") =>
  place === "flag" ||
  place === "environment" ||
  place.startsWith("remote") ||
  mode === undefined ||
  mode === kind ||
  (mode === "trusted-proxy" && kind === "password")

/** References that have no value here, beside what else is given. */
const without = (paths: ReadonlyArray<string>, more: Partial<SecretSources>): SecretSources => ({
  flags: {},
  env: {},
  config: {},
  unresolved: paths.map((path) => ({ path, reason: "the environment variable SECRET_X has no value" })),
  ...more
})

describe("which secret a Gateway is shown", () => {
  for (const [place, tokenOrder, passwordOrder] of DOCUMENTED)
    it(`${place}: every combination of flags, environment, gateway.auth and gateway.remote`, () => {
      let combinations = 0
      for (const mode of MODES)
        for (const tokens of subsets)
          for (const passwords of subsets) {
            combinations += 1
            const flagged = tokens.has("flag") || passwords.has("flag")
            const first = (order: ReadonlyArray<Source>, present: ReadonlySet<Source>) =>
              order.filter((source) => (source === "flag") === flagged).find((source) => present.has(source))
            const token = flagged || counted(mode, place, "token") ? first(tokenOrder, tokens) : undefined
            const password = flagged || counted(mode, place, "password") ? first(passwordOrder, passwords) : undefined
            assert.deepStrictEqual(
              shown(place, sources(tokens, passwords, mode)),
              [
                ...(token === undefined ? [] : [`token=t ${token}`]),
                ...(password === undefined ? [] : [`password=p ${password}`])
              ],
              JSON.stringify({ place, mode, tokens: [...tokens], passwords: [...passwords] })
            )
          }
      assert.strictEqual(combinations, 5 * 16 * 16)
    })

  it("nothing but a flag goes to an address that a flag named, and the file's secrets to none from the environment", () => {
    for (const tokens of subsets)
      for (const passwords of subsets) {
        assert.notMatch(shown("flag", sources(tokens, passwords, undefined)).join(), /environment|gateway/)
        assert.notMatch(shown("environment", sources(tokens, passwords, undefined)).join(), /gateway/)
      }
  })

  it("the remote's secrets are for the remote only", () => {
    for (const place of ["local", "node", "environment", "flag"] as const)
      for (const mode of MODES)
        assert.deepStrictEqual(
          shown(place, sources(new Set(["gateway.remote"]), new Set(["gateway.remote"]), mode)),
          []
        )
  })

  it.each<readonly [string, Place, SecretSources, ReadonlyArray<string>]>([
    ["ends the search", "remote", without(["gateway.remote.token"], {}), ["no gateway.remote.token"]],
    [
      "is not replaced by the environment's",
      "remote",
      without(["gateway.remote.token"], { env: { OPENCLAW_GATEWAY_TOKEN: "et", OPENCLAW_GATEWAY_PASSWORD: "ep" } }),
      ["no gateway.remote.token"]
    ],
    [
      "nor by this machine's own",
      "remote",
      without(["gateway.remote.password"], { config: { gateway: { auth: { token: "at", password: "ap" } } } }),
      ["no gateway.remote.password"]
    ],
    [
      "leaves what stands beside it, as OpenClaw has it",
      "remote",
      without(["gateway.remote.token"], { config: { gateway: { remote: { password: "rp" } } } }),
      ["password=rp"]
    ],
    [
      "of the last resort matters where it would be asked",
      "remote",
      without(["gateway.auth.token"], {}),
      ["no gateway.auth.token"]
    ],
    [
      "of the last resort is not missed where another was found",
      "remote",
      without(["gateway.auth.password"], { config: { gateway: { remote: { token: "rt" } } } }),
      ["token=rt"]
    ],
    [
      "here is not replaced by the environment's",
      "local",
      without(["gateway.auth.token"], { env: { OPENCLAW_GATEWAY_TOKEN: "et", OPENCLAW_GATEWAY_PASSWORD: "ep" } }),
      ["no gateway.auth.token"]
    ],
    [
      "that the mode does not ask for is nobody's business",
      "local",
      without(["gateway.auth.token"], { config: { gateway: { auth: { mode: "password", password: "ap" } } } }),
      ["password=ap"]
    ],
    ["of the remote means nothing to the local", "local", without(["gateway.remote.token"], {}), []],
    [
      "is not looked at after the environment's, by a node",
      "remote-node",
      without(["gateway.remote.token"], { env: { OPENCLAW_GATEWAY_TOKEN: "et" } }),
      ["token=et"]
    ],
    [
      "is not looked at behind a flag",
      "remote",
      without(["gateway.remote.token"], { flags: { token: "ft" } }),
      ["token=ft"]
    ],
    ["nor for an address from the environment", "environment", without(["gateway.remote.token"], {}), []]
  ])("a reference without a value %s", (_name, place, given, expected) =>
    assert.deepStrictEqual(shown(place, given), expected)
  )

  it("says which key refers to nothing, and what to do", () => {
    const failed = secretsFor(
      "remote",
      without(["gateway.remote.token"], { env: { OPENCLAW_GATEWAY_TOKEN: "canary" } })
    )
    assert(Result.isFailure(failed))
    assert.strictEqual(failed.failure._tag, "SecretUnresolved")
    assert.match(failed.failure.message, /^gateway\.remote\.token .*SECRET_X has no value.*\nFix: /s)
    assert.notInclude(failed.failure.message, "canary")
  })
})

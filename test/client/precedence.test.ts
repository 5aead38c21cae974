/** Every combination of what may be given, for every place that may name a Gateway. */
import { assert, describe, it } from "@effect/vitest"
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
  ["node", ["flag", "environment", "gateway.auth"], ["flag", "environment", "gateway.auth"]]
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
  secretsFor(place, given).map((credential) => `${credential.kind}=${reveal(credential)}`)

const counted = (mode: Mode, place: Place, kind: "token" | "password") =>
  place === "flag" || place === "environment" || place === "remote" || mode === undefined || mode === kind

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
})

import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as ConfigLive from "../../src/layers/config/Config.ts"
import type { GatewaySources } from "../../src/layers/config/gatewayAuth.ts"
import {
  gatewayCredential,
  keepGenerated,
  resolveCredential,
  resolvePort,
  settingError
} from "../../src/layers/config/gatewayAuth.ts"
import { Redactor } from "../../src/layers/logging/Redactor.ts"
import { given, live, problemsOf } from "./support.ts"

const sources = (partial: Partial<GatewaySources>): GatewaySources => ({ flags: {}, env: {}, config: {}, ...partial })

/** `mode value source`, `none yet`, or `problem: path`. */
const shown = (partial: Partial<GatewaySources>): string =>
  Result.match(resolveCredential(sources(partial)), {
    onFailure: (problem) => `problem: ${problem.path}`,
    onSuccess: Option.match({
      onNone: () => "none yet",
      onSome: (credential) => {
        switch (credential.mode) {
          case "token":
            return `token ${Redacted.value(credential.token)} ${credential.source}`
          case "password":
            return `password ${Redacted.value(credential.password)} ${credential.source}`
          default:
            return credential.mode
        }
      }
    })
  })

const auth = (value: NonNullable<NonNullable<GatewaySources["config"]["gateway"]>["auth"]>) => ({
  config: { gateway: { auth: value } }
})
const T = "OPENCLAW_GATEWAY_TOKEN"
const P = "OPENCLAW_GATEWAY_PASSWORD"

describe("resolveCredential", () => {
  it.each([
    ["nothing anywhere", {}, "none yet"],
    ["a token by flag", { flags: { token: "f" }, env: { [T]: "e" }, ...auth({ token: "c" }) }, "token f flag"],
    ["the file before the environment", { env: { [T]: "e" }, ...auth({ token: "c" }) }, "token c config"],
    ["a token of nothing", { env: { [T]: "  " }, ...auth({ token: "" }) }, "none yet"],
    ["a token that nobody sees", auth({ token: " \u200B\u2060 " }), "none yet"],
    ["a password of nothing", auth({ mode: "password", password: " " }), "problem: gateway.auth.password"],
    ["a word of a script for a token", auth({ token: "undefined" }), "problem: gateway.auth.token"],
    ["the same by flag", { flags: { token: " null " } }, "problem: --token"],
    ["the same by environment", { env: { [T]: "Undefined" } }, `problem: ${T}`],
    ["a word of a script for a password", { env: { [P]: "null" } }, `problem: ${P}`],
    ["the same in the file", auth({ mode: "password", password: "undefined" }), "problem: gateway.auth.password"],
    ["a token by environment", { env: { [T]: " e " } }, "token e environment"],
    ["a password by environment", { env: { [P]: "e" } }, "password e environment"],
    ["a password in the file", auth({ password: "p" }), "password p config"],
    [
      "what is shown to a remote Gateway opens none here",
      { config: { gateway: { remote: { token: "r", password: "rp" } } } },
      "none yet"
    ],
    [
      "nor with a mode",
      { config: { gateway: { auth: { mode: "password" }, remote: { password: "rp" } } } },
      "problem: gateway.auth.password"
    ],
    ["empty values are no values", { flags: { token: " " }, env: { [T]: "" }, ...auth({ token: "" }) }, "none yet"],
    [
      "a flag's password beats a configured token",
      { flags: { password: "f" }, ...auth({ token: "c" }) },
      "password f flag"
    ],
    [
      "a configured password beats a token in the environment",
      { env: { [T]: "e" }, ...auth({ password: "p" }) },
      "password p config"
    ],
    ["both in the file need a mode", auth({ token: "c", password: "p" }), "problem: gateway.auth.mode"],
    ["both by flag need a mode", { flags: { token: "a", password: "b" } }, "problem: --token and --password"],
    ["both in the environment need a mode", { env: { [T]: "a", [P]: "b" } }, `problem: ${T} and ${P}`],
    ["both in the file with a mode", auth({ mode: "password", token: "c", password: "p" }), "password p config"],
    [
      "--auth decides over the file's mode",
      { flags: { auth: "token" }, ...auth({ mode: "password", token: "c", password: "p" }) },
      "token c config"
    ],
    ["--auth none", { flags: { auth: "none" }, ...auth({ token: "c" }) }, "none"],
    ["trusted-proxy", auth({ mode: "trusted-proxy" }), "trusted-proxy"],
    ["mode token without a token", auth({ mode: "token", password: "p" }), "none yet"],
    ["mode password without a password", auth({ mode: "password" }), "problem: gateway.auth.password"],
    ["--auth password without one", { flags: { auth: "password" } }, "problem: --auth password"],
    ["--auth trusted-proxy is not offered", { flags: { auth: "trusted-proxy" } }, "problem: --auth"],
    ["an unknown --auth", { flags: { auth: "magic" } }, "problem: --auth"]
  ] as ReadonlyArray<readonly [string, Partial<GatewaySources>, string]>)("%s", (_, input, expected) => {
    assert.strictEqual(shown(input), expected)
  })
})

describe("resolvePort", () => {
  const E = "OPENCLAW_GATEWAY_PORT"
  const config = { gateway: { port: 3 } }
  it.each([
    ["the default", {}, 18_789],
    ["the file", { config }, 3],
    ["the environment before the file", { config, env: { [E]: "2" } }, 2],
    ["the flag before all", { config, env: { [E]: "2" }, flags: { port: 1 } }, 1],
    ["any free port", { config, flags: { port: 0 } }, 0],
    ["an empty variable", { config, env: { [E]: "" } }, 3],
    ["a variable that is no number", { config, env: { [E]: "80x" } }, "OPENCLAW_GATEWAY_PORT"],
    ["a variable out of range", { config, env: { [E]: "65536" } }, "OPENCLAW_GATEWAY_PORT"],
    ["a flag out of range", { flags: { port: -1 } }, "--port"],
    ["a flag that is no number", { flags: { port: Number.NaN } }, "--port"]
  ] as ReadonlyArray<readonly [string, Partial<GatewaySources>, number | string]>)("%s", (_, input, expected) => {
    const result = resolvePort(sources(input))
    assert.strictEqual(Result.isSuccess(result) ? result.success : result.failure.path, expected)
  })
})

it("names what is to blame: a flag or a variable, else the file", () => {
  const of = (path: string) => settingError("/f", { path, value: "1", expected: "2" })
  assert.strictEqual(of("--port").message, "--port: got 1, expected 2.\nFix: correct --port.")
  assert.match(of("OPENCLAW_GATEWAY_PORT").message, /Fix: correct OPENCLAW_GATEWAY_PORT, or unset it/)
  assert.strictEqual(of("gateway.auth.mode")._tag, "ConfigInvalid")
})

describe("gatewayCredential", () => {
  const credential = (file: string, input: Partial<GatewaySources> = {}) =>
    Effect.provide(
      Effect.tap(gatewayCredential({ flags: {}, env: {}, ...input }), keepGenerated),
      ConfigLive.layer({ file, ...(input.env === undefined ? {} : { env: input.env }) }).pipe(Layer.orDie)
    )

  live("a first start makes a token of 48 hexadecimal digits and stores it; the next start has the same", (file) =>
    Effect.gen(function* () {
      const made = yield* credential(file)
      assert(made.mode === "token")
      const token = Redacted.value(made.token)
      assert.match(token, /^[0-9a-f]{48}$/)
      assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")), { gateway: { auth: { token } } })
      const again = yield* credential(file)
      assert(again.mode === "token")
      assert.strictEqual(Redacted.value(again.token), token)
      assert.strictEqual(again.source, "config")
      assert.strictEqual((yield* Redactor).redact(token), "<redacted>")
    })
  )

  live("a given credential is not stored", (file) =>
    Effect.gen(function* () {
      given(file, {})
      const byFlag = yield* credential(file, { flags: { token: "from-flag" } })
      assert.strictEqual(byFlag.mode, "token")
      assert.strictEqual(readFileSync(file, "utf8"), "{}")
      assert.strictEqual((yield* Redactor).redact("from-flag"), "<redacted>")
    })
  )

  live("a token whose variable has no value is a problem, not a reason to overwrite it", (file) =>
    Effect.gen(function* () {
      for (const token of ["${NOT_SET}", { source: "env", provider: "default", id: "NOT_SET" }]) {
        given(file, { gateway: { auth: { token } } })
        const [problem] = yield* problemsOf(credential(file))
        assert.strictEqual(problem?.path, "gateway.auth.token")
        assert.include(problem?.expected, "set the variable")
        assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")), { gateway: { auth: { token } } })
        const found = yield* credential(file, { env: { NOT_SET: "now-it-is" } })
        assert(found.mode === "token")
        assert.strictEqual(Redacted.value(found.token), "now-it-is")
      }
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { StateDirInput } from "../../src/layers/StateDir.ts"
import { resolveStateDir } from "../../src/layers/StateDir.ts"

const home = "/home/ada"
const resolve = (input: Partial<StateDirInput>) => resolveStateDir({ home, env: {}, ...input })

describe("resolveStateDir", () => {
  const cases: ReadonlyArray<
    readonly [name: string, input: Partial<StateDirInput>, root: string, configFile?: string]
  > = [
    ["the default", {}, "/home/ada/.openclaw"],
    ["a profile by flag", { profile: "work" }, "/home/ada/.openclaw-work"],
    ["a profile by environment", { env: { OPENCLAW_PROFILE: "work" } }, "/home/ada/.openclaw-work"],
    ["the flag goes first", { profile: "a", env: { OPENCLAW_PROFILE: "b" } }, "/home/ada/.openclaw-a"],
    ["`default` is the unnamed profile", { profile: "Default", env: { OPENCLAW_PROFILE: "b" } }, "/home/ada/.openclaw"],
    ["empty values are no values", { env: { OPENCLAW_PROFILE: " ", OPENCLAW_STATE_DIR: "" } }, "/home/ada/.openclaw"],
    ["a directory of one's own", { env: { OPENCLAW_STATE_DIR: "/srv/claw/../oc" } }, "/srv/oc"],
    ["~ is the home", { env: { OPENCLAW_STATE_DIR: "~/oc" } }, "/home/ada/oc"],
    ["OPENCLAW_HOME moves the home", { env: { OPENCLAW_HOME: "/data" } }, "/data/.openclaw"],
    ["relative to the working directory", { cwd: "/w", env: { OPENCLAW_STATE_DIR: "oc" } }, "/w/oc"],
    ["a custom directory stays under a profile", { profile: "x", env: { OPENCLAW_STATE_DIR: "/srv/oc" } }, "/srv/oc"],
    [
      "the configuration elsewhere",
      { env: { OPENCLAW_CONFIG_PATH: "~/a.json" } },
      "/home/ada/.openclaw",
      "/home/ada/a.json"
    ],
    [
      "another profile's inherited paths do not bind",
      {
        profile: "b",
        env: {
          OPENCLAW_PROFILE: "a",
          OPENCLAW_STATE_DIR: "/home/ada/.openclaw-a",
          OPENCLAW_CONFIG_PATH: "/home/ada/.openclaw-a/openclaw.json"
        }
      },
      "/home/ada/.openclaw-b"
    ],
    [
      "the same profile's inherited paths do",
      { profile: "a", env: { OPENCLAW_PROFILE: "a", OPENCLAW_STATE_DIR: "/home/ada/.openclaw-a" } },
      "/home/ada/.openclaw-a"
    ]
  ]
  const rows = cases.map(([name, input, root, configFile]) => ({ name, input, root, configFile }))
  it.each(rows)("$name", ({ input, root, configFile }) => {
    const plan = Result.getOrThrow(resolve(input))
    assert.strictEqual(plan.root, root)
    assert.strictEqual(plan.configFile, configFile ?? `${root}/openclaw.json`)
  })

  for (const profile of ["../x", "a/b", "-x", "a b", "x".repeat(65), "ä", "a\0b", "."]) {
    it(`refuses the profile ${JSON.stringify(profile)}`, () => {
      const byFlag = Result.flip(resolve({ profile }))
      assert.strictEqual(Result.getOrThrow(byFlag)._tag, "StateDirUnusable")
      assert.include(Result.getOrThrow(byFlag).message, "--profile")
      assert.isTrue(Result.isFailure(resolve({ env: { OPENCLAW_PROFILE: profile } })))
    })
  }

  it("refuses a relative path without a working directory, and a NUL", () => {
    assert.isTrue(Result.isFailure(resolve({ env: { OPENCLAW_STATE_DIR: "oc" } })))
    assert.isTrue(Result.isFailure(resolve({ env: { OPENCLAW_CONFIG_PATH: "/a\0b" } })))
  })
})

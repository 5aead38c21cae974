/**
 * The commands that run without the tree make of every command line what the tree makes of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { commands, directly } from "../../src/cli/direct.ts"
import { parse } from "../../src/cli/door/parse.ts"
import * as serving from "../../src/cli/serving.ts"
import type { Run } from "../../src/cli/carried.ts"
import * as Lifetime from "../../src/cli/lifetime.ts"
import * as Tree from "../../tools/grammar.ts"
import { type Answers, codeOf, environment, gateway, home, Recorder, run, type Setting } from "./kit.ts"

const grammar = Tree.grammar()

/** The same as `run` of the kit, by the direct way; nothing where that leaves it to the tree. */
const runDirectly = Effect.fnUntraced(function* (setting: Setting, ...given: ReadonlyArray<string>) {
  const parsed = parse(grammar, given)
  if (parsed._tag !== "Command") return undefined
  const lifetime = Lifetime.make()
  const runs: Run = { arguments: given, lifetime, environment: environment(setting) }
  const command = directly(parsed.asked, runs) ?? serving.serving(parsed.asked, runs)
  if (command === undefined) return undefined
  const recorder = new Recorder()
  const exit = yield* Effect.exit(Effect.provideService(command, Console.Console, recorder.console))
  return { ...recorder.printed, code: codeOf(exit, lifetime) }
})

const answers: Answers = {
  health: () => ({ ok: true, ts: 1, durationMs: 2, channels: {}, agents: [{ agentId: "main" }] }),
  "node.list": () => ({ ts: 1, nodes: [{ nodeId: "n1", displayName: "laptop", connected: true, paired: true }] }),
  "node.pair.list": () => ({ pending: [], paired: [] }),
  "device.pair.list": () => ({ pending: [], paired: [] }),
  "sessions.list": (params) => {
    throw { code: "INVALID_REQUEST", message: JSON.stringify(params) }
  },
  "channels.status": (params) => {
    throw { code: "INVALID_REQUEST", message: JSON.stringify(params) }
  },
  "node.describe": (params) => {
    throw { code: "INVALID_REQUEST", message: JSON.stringify(params) }
  }
}

const lines: ReadonlyArray<readonly [name: string, more: ReadonlyArray<string>]> = [
  ["health", []],
  ["health", ["--probe", "--verbose", "--timeout", "9000"]],
  ["gateway health", ["--debug", "--no-probe"]],
  ["gateway call", ["health"]],
  ["gateway call", ["node.list", "--params", '{"a":1}', "--expect-final", "--timeout=4000"]],
  ["gateway call", ["health", "--params", "{"]],
  ["status", ["--deep"]],
  ["sessions", ["--agent", "main", "--active", "5", "--limit=7"]],
  ["sessions list", ["--all-agents"]],
  ["nodes list", ["--connected"]],
  ["nodes list", ["--last-connected", "soon"]],
  ["nodes status", ["--last-connected=1h"]],
  ["nodes describe", ["--node", "laptop"]],
  ["nodes describe", ["--node", ""]],
  ["channels status", ["--probe", "--channel", "telegram"]],
  ["devices list", ["--timeout", "8000"]]
]

/** Requests as they were sent, without the ids. */
const asked = (requests: ReadonlyArray<{ readonly method: string; readonly params?: unknown }>) =>
  requests.map(({ method, params }) => ({ method, params }))

describe("the commands that run without the tree", () => {
  it.live.each(lines)("%s %j", ([name, more]) =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      for (const form of [[], ["--json"]]) {
        const one = yield* gateway(answers)
        const other = yield* gateway(answers)
        const given = [...name.split(" "), ...more, ...form]
        const byTree = yield* run(setting, ...given, ...one.flags)
        const direct = yield* runDirectly(setting, ...given, ...other.flags)
        assert.isDefined(direct)
        const same = (text: string) =>
          text
            .replaceAll(one.url, "<url>")
            .replaceAll(other.url, "<url>")
            .replace(/"latencyMs": \d+|\d+ ?ms/g, "<ms>")
        assert.deepStrictEqual(
          [same(direct?.stdout ?? ""), same(direct?.stderr ?? ""), direct?.code],
          [same(byTree.stdout), same(byTree.stderr), byTree.code]
        )
        assert.deepStrictEqual(asked(other.requests), asked(one.requests))
      }
    }).pipe(Effect.scoped)
  )

  const local: ReadonlyArray<ReadonlyArray<string>> = [
    ["config", "get"],
    ["config", "get", "gateway.port"],
    ["config", "get", "gateway", "--show-secrets", "--json"],
    ["config", "get", "--profile", "../evil"],
    ["config", "get", "--profile", "a", "--dev"],
    ["tunnel", "status"],
    ["tunnel", "status", "me@host", "--json"],
    ["health", "--url", "ws://127.0.0.1:1"],
    ["health", "--url", "ws://127.0.0.1:1", "--token", "s3cret-s3cret", "--json"],
    ["status", "--url", "ws://127.0.0.1:1", "--token", "s3cret-s3cret"],
    ["gateway"],
    ["gateway", "run", "--json"],
    ["gateway", "run", "--profile", "rescue"],
    ["gateway", "run", "--allow-unconfigured", "--bind", "lan", "--auth", "none", "--port", "0"],
    ["gateway", "--allow-unconfigured", "--bind=custom", "--json"],
    ["gateway", "run", "--allow-unconfigured", "--tailscale", "funnel", "--port=0"],
    ["gateway", "--allow-unconfigured", "--auth", "password"]
  ]
  it.live.each(local.map((given) => [given] as const))("%j", ([given]) =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const direct = yield* runDirectly(setting, ...given)
      assert.deepStrictEqual(direct, yield* run(setting, ...given))
    }).pipe(Effect.scoped)
  )

  it("has none that the tree has not", () => {
    for (const name of [...Object.keys(commands), ...Object.keys(serving.commands)]) {
      const parsed = parse(grammar, [...name.split(" "), "--help"])
      assert.deepStrictEqual(parsed, { _tag: "Help", path: ["openclaw", ...name.split(" ")] })
    }
  })

  const left: ReadonlyArray<ReadonlyArray<string>> = [
    ["health", "--timeout", "0"],
    ["health", "--timeout", "1e3"],
    ["sessions", "--limit", "-1"],
    ["health", "--log-level", "debug"],
    ["gateway", "run", "--log-level", "debug"],
    ["gateway", "run", "--port", "65536"],
    ["gateway", "--port", "1e3"],
    ["nodes", "rename", "--node", "a", "--name", "b"]
  ]
  it.effect.each(left.map((given) => [given] as const))("leaves %j to the tree", ([given]) =>
    Effect.gen(function* () {
      assert.isUndefined(yield* runDirectly({ home: "/nowhere" }, ...given))
    })
  )
})

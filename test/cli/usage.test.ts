import { assert, describe, it } from "@effect/vitest"
import * as Completions from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import { root } from "../../src/cli/root.ts"
import { home, run } from "./kit.ts"

interface Found {
  readonly path: ReadonlyArray<string>
  readonly command: Completions.CommandDescriptor
}

const commands = (command: Completions.CommandDescriptor, path: ReadonlyArray<string>): ReadonlyArray<Found> => [
  { path, command },
  ...command.subcommands.flatMap((sub) => commands(sub, [...path, sub.name]))
]
const all = commands(Completions.fromCommand(root), [])

describe("usage", () => {
  it("says of every command, flag and argument what it is", () => {
    const silent = all.flatMap(({ command, path }) => [
      ...(command.description ? [] : [path.join(" ")]),
      ...command.flags.filter((flag) => !flag.description).map((flag) => `${path.join(" ")} --${flag.name}`),
      ...command.arguments.filter((given) => !given.description).map((given) => `${path.join(" ")} <${given.name}>`)
    ])
    assert.deepStrictEqual(silent, [])
    assert.isAbove(all.length, 35)
  })

  it.live("has every command of the plan", () =>
    Effect.sync(() => {
      const names = new Set(all.map(({ path }) => path.join(" ")))
      const wanted = [
        "gateway",
        ...["run", "status", "health", "call", "send", "agent", "probe"].map((name) => `gateway ${name}`),
        "health",
        "status",
        "agent",
        "message send",
        "node run",
        ...["list", "status", "describe", "invoke", "pending", "approve", "reject"].map((name) => `nodes ${name}`),
        ...["list", "approve", "reject"].map((name) => `devices ${name}`),
        "pairing list",
        "pairing approve",
        ...["get", "set", "unset", "validate", "file"].map((name) => `config ${name}`),
        "channels status",
        "sessions",
        "sessions list",
        "completion",
        "demo"
      ]
      assert.deepStrictEqual(
        wanted.filter((name) => !names.has(name)),
        []
      )
    })
  )

  it.live("prints help for every command, on stdout, and succeeds", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      for (const { command, path } of all) {
        const ended = yield* run(setting, ...path, "--help")
        assert.strictEqual(ended.code, 0, path.join(" "))
        assert.include(ended.stdout, command.description ?? "?")
        assert.strictEqual(ended.stderr, "")
      }
    }).pipe(Effect.scoped)
  )

  const wrong: ReadonlyArray<readonly [given: ReadonlyArray<string>, says: RegExp]> = [
    [["nods"], /nods[\s\S]*openclaw --help/],
    [["nodes", "lst"], /lst[\s\S]*openclaw nodes --help/],
    [["nodes", "list", "--bogus"], /--bogus[\s\S]*openclaw nodes list --help/],
    [["nodes", "approve"], /requestId/],
    [["gateway", "call"], /method/],
    [["gateway", "run", "--port", "http"], /port/],
    [["gateway", "run", "--port", "-1"], /--port: "-1"\. Expected: a whole number from 0 to 65535/],
    [["gateway", "--port", "99999"], /--port: "99999"\. Expected: a whole number from 0/],
    [["gateway", "--auth", "trusted-proxy"], /auth/],
    [["gateway", "run", "--bind", "world"], /bind/],
    [["nodes", "list", "--timeout", "0"], /--timeout: "0"\. Expected: a whole number of at least 1\n/],
    [["agent"], /message/],
    [["message", "send", "-m", "hello"], /target/],
    [["node", "run", "--display-name", ""], /--display-name[\s\S]*Expected: 1 to 120 characters/],
    [["node", "run", "--display-name", "n".repeat(121)], /--display-name[\s\S]*Expected: 1 to 120 characters/],
    [["node", "run", "--display-name", "a\u001b[2J"], /--display-name[\s\S]*Expected: .*control character/],
    [["completion", "tcsh"], /tcsh/]
  ]
  it.live.each(wrong)("refuses %j with the fix, exit 1", ([given, says]) =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const ended = yield* run(setting, ...given)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, says)
      assert.match(ended.stderr, /Fix: /)
      assert.strictEqual(ended.stdout, "")

      const asJson = yield* run(setting, ...given, "--json")
      const { error, ok } = JSON.parse(asJson.stdout)
      assert.deepStrictEqual([asJson.code, ok, error.type], [1, false, "cli_error"])
      assert.match(error.message, says)
      assert.strictEqual(asJson.stderr, "")
    }).pipe(Effect.scoped)
  )

  it.live("a command that needs a subcommand shows its help and fails; openclaw alone does not", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const nodes = yield* run(setting, "nodes")
      assert.deepStrictEqual([nodes.code, nodes.stderr], [1, ""])
      assert.include(nodes.stdout, "approve")
      const asJson = yield* run(setting, "nodes", "--json")
      assert.strictEqual(asJson.code, 1)
      assert.match(JSON.parse(asJson.stdout).error.message, /`openclaw nodes` needs[\s\S]*Fix: `openclaw nodes --help`/)
      assert.strictEqual((yield* run(setting)).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("the demo has no JSON and says so", () =>
    Effect.gen(function* () {
      const ended = yield* run({ home: yield* home }, "demo", "--json")
      assert.strictEqual(ended.code, 1)
      assert.match(JSON.parse(ended.stdout).error.message, /no --json[\s\S]*Fix: /)
    }).pipe(Effect.scoped)
  )

  it.live("prints completions for each shell", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      for (const shell of ["bash", "zsh", "fish", "powershell"]) {
        const ended = yield* run(setting, "completion", shell)
        assert.strictEqual(ended.code, 0)
        assert.include(ended.stdout, "invoke")
        assert.strictEqual((yield* run(setting, "--completions", shell)).stdout, ended.stdout)
      }
    }).pipe(Effect.scoped)
  )

  it.live("refuses a profile name that is a path", () =>
    Effect.gen(function* () {
      const ended = yield* run({ home: yield* home }, "config", "file", "--profile", "../evil")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /not a profile name/)
    }).pipe(Effect.scoped)
  )

  it.live("a bug of its own is exit 1, and only the debug log shows its text", () =>
    Effect.gen(function* () {
      const variables = new Proxy<Record<string, string>>(
        {},
        {
          get: (_, name) => {
            if (name === "OPENCLAW_STATE_DIR") throw new Error("the bug's own text")
            return undefined
          }
        }
      )
      const setting = { home: yield* home, variables }
      const ended = yield* run(setting, "config", "file")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /because of a bug[\s\S]*Fix: .*--log-level debug/)
      assert.notInclude(ended.stderr, "own text")
      assert.strictEqual(
        JSON.parse((yield* run(setting, "config", "file", "--json")).stdout).error.name,
        "InternalError"
      )
      assert.include((yield* run(setting, "config", "file", "--log-level", "debug")).stderr, "the bug's own text")
    }).pipe(Effect.scoped)
  )
})

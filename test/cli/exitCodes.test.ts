/**
 * The table of exit codes and the program, held together; and the one shape of every failure.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CommandFailed, describe as described, type Reported } from "../../src/cli/errors.ts"
import { EXIT, type ExitCode, exitCodes } from "../../src/cli/exitCodes.ts"
import * as Lifetime from "../../src/cli/lifetime.ts"
import { runMain } from "../../src/cli/runMain.ts"
import { GatewayError } from "../../src/protocol/GatewayError.ts"
import { home, run } from "./kit.ts"

const src = fileURLToPath(new URL("../../src/", import.meta.url))
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
const named = new Map(
  files.flatMap((file) =>
    [...readFileSync(src + file, "utf8").matchAll(/class (\w+) extends Schema\.TaggedError/g)].map(
      ([, name]) => [name!, file] as const
    )
  )
)

const rows: ReadonlyArray<ExitCode> = exitCodes

/** The program on a process that a test holds: what it is told, and what it exits with. */
const told = (effect: Effect.Effect<void, Reported>, ...signals: ReadonlyArray<NodeJS.Signals>) =>
  Effect.callback<number>((resume) => {
    const listeners = new Map<string, () => void>()
    let now = 0
    runMain(effect, {
      lifetime: Lifetime.make(),
      process: {
        on: (name, listener) => listeners.set(name, listener),
        exit: (code) => resume(Effect.succeed(code)),
        now: () => (now += 1_000),
        outputs: [],
        survivesHangup: false
      }
    })
    for (const signal of signals) listeners.get(signal)?.()
  })

/** Ends only by force: its finalizer waits for ever. */
const stubborn = Effect.ensuring(Effect.never, Effect.never)

describe("the table of exit codes", () => {
  it("has each code and each name once, and says what it means and what to do", () => {
    assert.strictEqual(new Set(rows.map(({ code }) => code)).size, rows.length)
    assert.strictEqual(new Set(rows.map(({ name }) => name)).size, rows.length)
    for (const { fix, means } of rows) assert.isTrue(means.endsWith(".") && fix.endsWith("."))
  })

  it("names only errors that there are", () => {
    assert.deepStrictEqual(
      rows.flatMap(({ errors }) => errors).filter((name) => !named.has(name)),
      []
    )
  })

  it("is the only place where a command's exit code is a number", () => {
    const own = files.filter((file) => file.startsWith("cli/") && file !== "cli/exitCodes.ts")
    const numbers = own.filter((file) => /exitCode: ?\d|\bexit\(\d/.test(readFileSync(src + file, "utf8")))
    assert.deepStrictEqual(numbers, [])
  })

  const provoked: Readonly<Record<keyof typeof EXIT, Effect.Effect<number>>> = {
    done: Effect.scoped(Effect.flatMap(home, (home) => Effect.map(run({ home }, "--version"), ({ code }) => code))),
    failed: Effect.scoped(Effect.flatMap(home, (home) => Effect.map(run({ home }, "helth"), ({ code }) => code))),
    misconfigured: Effect.scoped(
      Effect.flatMap(home, (home) => Effect.map(run({ home }, "gateway", "run"), ({ code }) => code))
    ),
    hungUp: told(stubborn, "SIGHUP", "SIGHUP"),
    interrupted: told(Effect.never, "SIGINT"),
    terminated: told(stubborn, "SIGTERM", "SIGTERM")
  }
  for (const { code, name } of exitCodes) {
    it.live(`${code} is how the program ends when it is ${name}`, () =>
      Effect.map(provoked[name], (ended) => assert.strictEqual(ended, code))
    )
  }

  it.live("a second Ctrl-C ends on the spot, with the code of the first", () =>
    Effect.map(told(stubborn, "SIGINT", "SIGINT"), (code) => assert.strictEqual(code, EXIT.interrupted))
  )
})

const isErrorClass = (value: unknown): value is Schema.Schema<Error> =>
  Schema.isSchema(value) && typeof value === "function" && value.prototype instanceof Error

/** Those that the program can be handed; what is inside of a command is told by `CommandFailed`. */
const modules = [...new Set(named.values())].filter((file) => /^(?:services|client|domain|protocol)\//.test(file))

const classes = Effect.map(
  Effect.forEach(modules, (file) => Effect.promise(() => import(src + file) as Promise<Record<string, unknown>>)),
  (all) => all.flatMap((exported) => Object.values(exported).filter(isErrorClass))
)

describe("every failure", () => {
  it.live("of the services, the client and the protocol says what happened and what to do, and has an exit code", () =>
    Effect.gen(function* () {
      const found = yield* classes
      assert.isAbove(found.length, 90)
      for (const [index, error] of found.entries()) {
        const samples = yield* Arbitrary.sampleEffect(Arbitrary.schema(error), { count: 10, seed: `errors-${index}` })
        for (const sample of samples) {
          const { exitCode, fix, message, name } = described(sample)
          assert.isTrue(message.includes(`\nFix: ${fix}`), name)
          assert.isFalse(message.startsWith("\nFix: "), name)
          assert.isTrue(
            rows.some(({ code }) => code === exitCode),
            name
          )
          assert.strictEqual(exitCode, rows.find(({ errors }) => errors.includes(name))?.code ?? EXIT.failed, name)
        }
      }
    })
  )

  it("keeps the fix that its own message has, and says it once", () => {
    const own = described(new CommandFailed({ message: "the lamp is off.\nFix: turn it on." }))
    assert.deepStrictEqual([own.message, own.fix], ["the lamp is off.\nFix: turn it on.", "turn it on."])
    const none = described(new CommandFailed({ message: "the lamp is off.", exitCode: EXIT.misconfigured }))
    assert.strictEqual(none.message, `the lamp is off.\nFix: ${none.fix}`)
    assert.strictEqual(none.exitCode, EXIT.misconfigured)
  })

  it("that is none of ours is told all the same", () => {
    for (const strange of [undefined, null, "", 7, {}, new Error(""), { _tag: "Odd" }, { message: "odd" }]) {
      const { exitCode, fix, message } = described(strange)
      assert.deepStrictEqual([exitCode, message.endsWith(`\nFix: ${fix}`), fix !== ""], [EXIT.failed, true, true])
    }
  })

  it("of a request has the fix of its code", () => {
    const said = (code: string, more = {}) => described(new GatewayError({ code, message: "no", ...more })).fix
    assert.match(said("FORBIDDEN"), /--token/)
    assert.match(said("NOT_PAIRED"), /devices approve/)
    assert.match(said("UNAVAILABLE", { retryable: true }), /try again/)
    assert.match(said("A_CODE_OF_TOMORROW"), /--log-level debug/)
  })

  it.live("of a file names what to do about that file", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const state = join(folder, ".openclaw")
      mkdirSync(state, { mode: 0o700 })
      writeFileSync(join(state, "exec-approvals.json"), "{bad", { mode: 0o600 })
      const cases = [
        ["backup", "verify", join(folder, "none.tgz")],
        ["approvals", "get"],
        ["config", "get", "gateway"]
      ]
      const told = yield* Effect.forEach(cases, (line) =>
        Effect.gen(function* () {
          if (line[0] === "config") mkdirSync(join(state, "openclaw.json"))
          const { code, stdout } = yield* run({ home: folder }, ...line, "--json")
          const { error } = yield* Schema.decodeEffect(Failure)(stdout)
          assert.notMatch(error.fix, /--log-level debug|--help/, error.name)
          return [error.name, code]
        })
      )
      assert.deepStrictEqual(told, [
        ["BackupFailed", EXIT.failed],
        ["ApprovalsFileUnusable", EXIT.failed],
        ["ConfigUnreadable", EXIT.misconfigured]
      ])
    }).pipe(Effect.scoped)
  )

  it.live("has the same form on stdout with --json, whatever went wrong", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const lines = [
        ["helth"],
        ["nodes"],
        ["gateway", "run"],
        ["health"],
        ["config", "get", "no.such"],
        ["pairing", "approve"]
      ]
      for (const line of lines) {
        const ended = yield* run(setting, ...line, "--json", ...(line[0] === "health" ? ["--timeout", "100"] : []))
        const { error, ok } = yield* Schema.decodeEffect(Failure)(ended.stdout)
        assert.deepStrictEqual([ok, error.exitCode, ended.stderr], [false, ended.code, ""], line.join(" "))
        assert.isTrue(error.message.endsWith(`\nFix: ${error.fix}`), line.join(" "))
      }
    }).pipe(Effect.scoped)
  )
})

const Failure = Schema.fromJsonString(
  Schema.Struct({
    ok: Schema.Boolean,
    error: Schema.Struct({
      type: Schema.Literals(["cli_error", "gateway_request_error"]),
      name: Schema.NonEmptyString,
      message: Schema.NonEmptyString,
      fix: Schema.NonEmptyString,
      exitCode: Schema.Int
    })
  })
)

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { makeAppend } from "../../src/layers/logging/file.ts"
import { makeRedact, Redactor } from "../../src/layers/logging/Redactor.ts"
import type { LogEntry } from "../../src/layers/logging/record.ts"
import { toJsonLine, toPretty, toRecord } from "../../src/layers/logging/record.ts"
import * as Logging from "../../src/layers/Logging.ts"

/** Runs a program with a log file and a standard error of its own; returns what both got. */
const logs = (
  program: (file: string) => Effect.Effect<unknown, never, Redactor>,
  options: Partial<Logging.LoggingOptions> = {}
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const file = `${folder}/logs/gateway.log`
    const lines: Array<string> = []
    const layer = Logging.layer({ file, stderr: { write: (text) => void lines.push(text) }, ...options })
    yield* Effect.scoped(
      Effect.provide(program(file), Layer.provideMerge(layer, Layer.merge(Redactor.layer, NodeServices.layer)))
    )
    return { file, folder, stderr: lines.join("") }
  })
const live = (name: string, body: () => Effect.Effect<void, unknown, NodeServices.NodeServices | Scope.Scope>) =>
  it.live(name, () => body().pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
const parse = (file: string) =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe("Logging", () => {
  live("writes one JSON line to the file and one line for people, private, with annotations, spans and the cause", () =>
    Effect.gen(function* () {
      const { file, folder, stderr } = yield* logs(() =>
        Effect.logError("it broke", { n: 1 }, Cause.fail("why")).pipe(
          Effect.annotateLogs({ fiber: "a/b" }),
          Effect.withLogSpan("boot")
        )
      )
      const [line] = parse(file)
      assert.deepInclude(line, { level: "error", message: 'it broke {"n":1}', annotations: { fiber: "a/b" } })
      assert.match(String(line?.["time"]), /^\d{4}-.*Z$/)
      assert.include(String(line?.["cause"]), "why")
      assert.hasAllKeys(line?.["spans"], ["boot"])
      assert.match(stderr, /^\d\d:\d\d:\d\d\.\d{3} ERROR it broke {"n":1}: Error: why fiber=a\/b boot=\d+ms\n$/)
      assert.strictEqual((statSync(file).mode & 0o777).toString(8), "600")
      assert.strictEqual((statSync(`${folder}/logs`).mode & 0o777).toString(8), "700")
    })
  )

  live("each place has its own least level, and what neither wants is not made", () =>
    Effect.gen(function* () {
      let made = 0
      const { file, stderr } = yield* logs(
        () =>
          Effect.all([
            Effect.logWarning("w"),
            Effect.logDebug("d"),
            Effect.logTrace({
              get x() {
                return (made += 1)
              }
            })
          ]),
        { level: "debug" }
      )
      assert.deepStrictEqual(
        parse(file).map(({ message }) => message),
        ["w", "d"]
      )
      assert.include(stderr, "DEBUG d")
      assert.strictEqual(made, 0)
      const quiet = yield* logs(() => Effect.logInfo("i"), { level: "silent" })
      assert.strictEqual(quiet.stderr, "")
      assert.isFalse(readdirSync(quiet.folder).includes("logs"))
      const lines: Array<string> = []
      const json = yield* logs(() => Effect.logInfo("i"), {
        level: "warn",
        stderr: { level: "info", style: "json", write: (text) => void lines.push(text) }
      })
      assert.strictEqual(JSON.parse(lines.join("")).message, "i")
      assert.isFalse(readdirSync(json.folder).includes("logs"))
    })
  )

  it("reads the levels from the configuration", () => {
    assert.deepStrictEqual(Logging.fromConfig({}), { level: "info", consoleLevel: "info", style: "pretty" })
    assert.deepStrictEqual(
      Logging.fromConfig({ logging: { level: "trace", consoleLevel: "warn", consoleStyle: "json" } }),
      {
        level: "trace",
        consoleLevel: "warn",
        style: "json"
      }
    )
  })

  live("secrets learned later are hidden from then on", () =>
    Effect.gen(function* () {
      const { file, stderr } = yield* logs(() =>
        Effect.flatMap(Redactor, (redactor) =>
          Effect.andThen(
            redactor.add(["hunter2-hunter2"]),
            Effect.logInfo("it is hunter2-hunter2, Authorization: Bearer abcdefghijkl")
          )
        )
      )
      for (const text of [readFileSync(file, "utf8"), stderr]) {
        assert.notInclude(text, "hunter2")
        assert.notInclude(text, "abcdefghijkl")
        assert.include(text, "it is <redacted>")
      }
    })
  )

  live("the file is turned over by size, and there are never more than two", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/logs/gateway.log`
      const append = makeAppend({ fs, file, maxBytes: 10, onFailure: assert.fail })
      for (const line of ["first line is long\n", "second line is long\n", "third\n"]) yield* append([line])
      assert.strictEqual(readFileSync(`${file}.1`, "utf8"), "second line is long\n")
      assert.strictEqual(readFileSync(file, "utf8"), "third\n")
    })
  )

  live("a log that cannot be written is reported once and stops nothing; afterwards it says what was lost", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const file = `${folder}/logs/gateway.log`
      mkdirSync(file, { recursive: true })
      chmodSync(`${folder}/logs`, 0o700)
      const failures: Array<string> = []
      const append = makeAppend({ fs, file, maxBytes: 1e6, onFailure: (reason) => void failures.push(reason) })
      yield* append(["a\n", "b\n"])
      yield* append(["c\n"])
      assert.strictEqual(failures.length, 1)
      assert.include(failures[0], "is a directory, not a regular file")
      rmSync(file, { recursive: true })
      yield* append(["d\n"])
      assert.match(readFileSync(file, "utf8"), /3 lines were lost here.*\nd\n$/)
    })
  )
})

/** What a canary may be: anything that a person can choose as a password, long enough to be looked for. */
const Canary = Schema.String.pipe(Schema.check(Schema.isMinLength(8), Schema.isMaxLength(40)))
const around = (redact: (text: string) => string, partial: Partial<LogEntry>) => {
  const record = toRecord(redact, {
    date: DateTime.toDate(DateTime.makeUnsafe(0)),
    level: "Info",
    message: "m",
    cause: Cause.empty,
    annotations: {},
    spans: [],
    ...partial
  })
  const line = toJsonLine(record)
  // What a reader gets back, not only what stands there: JSON's escapes must not hide a leak.
  return JSON.stringify(JSON.parse(line)) + String(Object.values(JSON.parse(line))) + toPretty(record, true)
}
class Denied extends Schema.TaggedError<Denied>()("Denied", { message: Schema.String }) {}

describe("causes", () => {
  const pretty = (cause: Cause.Cause<unknown>, message: unknown = "m") => {
    const text = around((raw) => raw, { cause, message })
    return text.slice(text.indexOf("INFO"))
  }
  const denied = new Denied({ message: "no way" })

  it("a failure that is foreseen is one line; a defect has its stack", () => {
    assert.match(pretty(Cause.fail(denied)), /m: Denied: no way\n$/)
    assert.match(pretty(Cause.fail(new Denied({ message: "" }))), /m: Denied\n$/)
    assert.match(pretty(Cause.die(new Error("bug"))), /m\n {4}Error: bug\n {8}at .*logging\.test/)
    assert.match(
      pretty(Cause.combine(Cause.fail(denied), Cause.die(new Error("bug")))),
      /m\n {4}Denied: no way\n {4}Error: bug\n {8}at /
    )
    assert.match(pretty(Cause.combine(Cause.fail(denied), Cause.interrupt(1))), /m: Denied: no way\n$/)
  })

  it("so is an error that is part of the message", () => {
    assert.match(pretty(Cause.empty, ["tried", denied]), /tried Denied: no way\n$/)
    assert.include(pretty(Cause.empty, ["tried", new Error("bug")]), "at ")
  })
})

describe("canaries", () => {
  it.prop(
    "a known secret leaves by no door: message, annotation, cause, span, nested, in a URL, as a key",
    [Canary, Schema.String],
    ([canary, other]) => {
      // A canary that is a part of what is printed anyway (`<redacted>`, a time) is no secret.
      const frame = around((text) => text, { message: `x${"y".repeat(3)}`, cause: Cause.fail("z") })
      if (frame.includes(canary) || "<redacted>".includes(canary) || canary.includes("<redacted>")) return
      const redact = makeRedact([canary])
      const url = canary.isWellFormed() ? encodeURIComponent(canary) : ""
      const doors: ReadonlyArray<Partial<LogEntry>> = [
        { message: `before ${canary} after` },
        { message: [canary, { deep: [{ deeper: canary }] }] },
        { message: { [canary]: 1 } },
        { message: new Map([[canary, canary]]) },
        { annotations: { chat: canary, [canary]: "x" } },
        { cause: Cause.fail(new Denied({ message: `no ${canary}` })) },
        { cause: Cause.die(new Error(`a ${canary}`, { cause: new Error(canary) })) },
        { spans: [[canary, 0]] },
        { message: `https://x/?t=${url} ${JSON.stringify({ a: canary })}` }
      ]
      for (const door of doors) assert.notInclude(around(redact, door), canary)
      assert.isString(around(redact, { message: other }))
    }
  )

  const shapes = [
    "Authorization: Bearer abc.def-ghi_jkl",
    "https://api.telegram.org/bot123456789:AAHfiqksKZ8WmR2zSjiQ7_v4TMAKdiHm9T0/getMe",
    "https%3A//api/bot123456789%3AAAHfiqksKZ8WmR2zSjiQ7_v4TMAKdiHm9T0",
    "sk-ant-api03-AAAAAAAAAAAAAAAA",
    "xoxb-1234567890-abcdefghij",
    "https://ada:lovelace@example.org/x",
    "OPENCLAW_GATEWAY_PASSWORD=lovelace1",
    '{"apiKey":"lovelace1","a":1}',
    "token: 'love lace 1'",
    "-----BEGIN PRIVATE KEY-----\nMIIlovelace\n-----END PRIVATE KEY-----"
  ]
  it.each(shapes)("a secret's shape is known without its value: %s", (text) => {
    const clean = around(makeRedact([]), { message: text, annotations: { where: text }, cause: Cause.fail(text) })
    assert.include(clean, "<redacted>")
    for (const part of ["abc.def", "AAHfiqks", "AAAAAAAA", "abcdefghij", "lovelace", "love lace"])
      assert.notInclude(clean, part)
  })

  it("ordinary text stays", () => {
    const redact = makeRedact([])
    for (const text of [
      "12:30:45 agent:main:telegram:group:-1001234567890",
      "listening on ws://127.0.0.1:18789",
      "used 1200 tokens: 1000 in, 200 out",
      "unauthorized: gateway token mismatch (set gateway.remote.token)"
    ]) {
      assert.strictEqual(redact(text), text)
    }
  })

  it("what stands under a secret's name is not written, whatever it is", () => {
    const clean = around(makeRedact([]), {
      message: { token: "ab", nested: { botToken: 5, apiKey: ["x9x9"] }, maxTokens: 7, wrapped: Redacted.make("zzz9") }
    })
    assert.include(clean, "maxTokens")
    for (const part of ["ab\\\\", "x9x9", "zzz9"]) assert.notInclude(clean, part)
    assert.strictEqual(clean.split("<redacted>").length - 1 >= 4, true)
  })

  it.prop("any value can be logged", [Schema.Json], ([json]) => {
    assert.isString(around((text) => text, { message: json, annotations: { json } }))
  })

  it("what cannot be printed is said to be so", () => {
    const circular: Record<string, unknown> = {}
    circular["self"] = circular
    const thrower = {
      get x() {
        throw new Error("no")
      }
    }
    for (const message of [
      circular,
      thrower,
      5n,
      Symbol("s"),
      () => 1,
      new Uint8Array(3),
      Number.NaN,
      undefined,
      null
    ]) {
      assert.isString(around((text) => text, { message }))
    }
    assert.include(
      around((text) => text, { message: "\u001B[2Jevil\u202Etxt" }),
      String.raw`\u{001b}[2Jevil\u{202e}txt`
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Fiber from "effect/Fiber"
import { Environment } from "../../src/cli/Environment.ts"
import { Json } from "../../src/cli/globals.ts"
import {
  ago,
  document,
  duration,
  fields,
  lines,
  plain,
  shortId,
  shortName,
  table,
  tilde
} from "../../src/cli/output.ts"
import { waiting } from "../../src/cli/progress.ts"
import { supervisionTree } from "../../src/cli/tree.ts"

const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const CONTROL_IN_TEXT = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/** Every kind of character, those that move a cursor most of all. */
const anyText = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(
      Schema.Union([
        Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0xff }))),
        Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0x2000, maximum: 0x206f }))),
        Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0x1d170, maximum: 0x1d17f }))),
        Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0xe0000, maximum: 0xe007f }))),
        Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0x10_ffff })))
      ])
    ),
    { maxLength: 40 }
  ),
  (points) => String.fromCodePoint(...points)
)

describe("what is printed", () => {
  it.prop("lets no control character of a name through", [anyText], ([text]) => {
    assert.notMatch(plain(text), CONTROL)
    assert.notMatch(table(["A"], [[text]]).replace("\n", ""), CONTROL)
    assert.notMatch(fields([["Name", text]]), CONTROL)
  })

  it("shows the beginning of a long name, made safe", () => {
    assert.strictEqual(shortName("kitchen"), "kitchen")
    assert.strictEqual(shortName("n".repeat(40)), "n".repeat(40))
    assert.strictEqual(shortName("😀".repeat(41)), `${"😀".repeat(39)}…`)
    assert.strictEqual(shortName("a\u001b[2J"), String.raw`a\u001b[2J`)
  })

  it.prop("keeps the lines of a text, and nothing else that moves the cursor", [anyText], ([text]) =>
    assert.notMatch(lines(text), CONTROL_IN_TEXT)
  )

  it.prop("prints JSON that a terminal cannot misread and a program reads back", [anyText], ([text]) => {
    const printed = document({ text })
    assert.notMatch(printed.replaceAll("\n", ""), CONTROL)
    assert.strictEqual(JSON.parse(printed).text, text)
  })

  it("shows control characters as escapes", () => {
    assert.strictEqual(document(undefined), "null")
    assert.strictEqual(plain("a\u001b[2Jb\u202ec\u009b"), "a\\u001b[2Jb\\u202ec\\u009b")
  })

  it("keeps what emoji are joined with", () => {
    assert.strictEqual(
      lines("a\r\nb\tc \u{1f469}\u200d\u{1f4bb}\u001b[0m"),
      "a\nb\tc \u{1f469}\u200d\u{1f4bb}\\u001b[0m"
    )
  })

  it("aligns columns by what a terminal shows", () => {
    assert.strictEqual(
      table(
        ["Node", "State"],
        [
          ["日本", "up"],
          ["laptop", "down"]
        ]
      ),
      "Node    State\n日本    up\nlaptop  down"
    )
    assert.strictEqual(
      fields([
        ["A", "1"],
        ["Longer", "2"],
        ["None", undefined],
        ["Empty", ""]
      ]),
      "A:       1\nLonger:  2"
    )
  })

  it("shows times and paths as people say them", () => {
    assert.deepStrictEqual([850, 3_500, 61_000, 7_200_000, 90_000_000].map(duration), ["850ms", "3s", "1m", "2h", "1d"])
    assert.deepStrictEqual(
      [ago(5000, null), ago(5000, undefined), ago(5000, 4500), ago(65_000, 5000)],
      ["never", "never", "just now", "1m ago"]
    )
    assert.deepStrictEqual([tilde("/h/x", "/h"), tilde("/hx", "/h"), tilde("/h", "/h")], ["~/x", "/hx", "~"])
    assert.strictEqual(shortId("0123456789abcdef"), "0123456789ab")
  })

  it("draws the supervision tree", () => {
    const fiber = (name: string, extra: object = {}) => ({
      name,
      state: "running" as const,
      restarts: 0,
      since: 0,
      ...extra
    })
    assert.strictEqual(
      supervisionTree(
        [
          fiber("channels/telegram/default", {
            state: "backoff",
            restarts: 1,
            lastCause: "409 \u001b[2J\nsecond line"
          }),
          fiber("gateway"),
          fiber("gateway/tick", { restarts: 2 })
        ],
        60_000
      ),
      [
        "Gateway",
        "├─ channels",
        "│  └─ telegram",
        "│     └─ default  backoff  since 1m ago  1 restart  last cause: 409 \\u001b[2J",
        "└─ gateway        running  since 1m ago  0 restarts",
        "   └─ tick        running  since 1m ago  2 restarts"
      ].join("\n")
    )
    assert.include(supervisionTree([], 0), "nothing is supervised")
  })

  const environment = (terminal: ((text: string) => void) | undefined): Environment["Service"] => ({
    variables: {},
    home: "/h",
    cwd: "/h",
    pid: 1,
    execPath: "node",
    entry: "openclaw",
    interactive: false,
    terminal
  })

  it.effect("shows progress on a terminal after a second, and clears it", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      let label = "Thinking"
      const fiber = yield* Effect.sleep("3500 millis").pipe(
        waiting(() => label),
        Effect.provideService(
          Environment,
          environment((text) => void written.push(text))
        ),
        Effect.provideService(Json, false),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(written, [])
      yield* TestClock.adjust("200 millis")
      label = "Running \u001b[2Jexec"
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(written, [
        "\r\u001b[2KThinking (1 s)",
        "\r\u001b[2KRunning \\u001b[2Jexec (2 s)",
        "\r\u001b[2KRunning \\u001b[2Jexec (3 s)",
        "\r\u001b[2K"
      ])
    })
  )

  it.effect("shows what is waited for inside of a wait in that one's place, and goes back to it", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const fiber = yield* Effect.sleep("1500 millis").pipe(
        waiting("Opening the tunnel"),
        Effect.andThen(Effect.sleep("1 second")),
        waiting("Waiting"),
        Effect.provideService(
          Environment,
          environment((text) => void written.push(text))
        ),
        Effect.provideService(Json, false),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(written, [
        "\r\u001b[2KOpening the tunnel (1 s)",
        "\r\u001b[2KWaiting (2 s)",
        "\r\u001b[2K"
      ])
    })
  )

  it.effect("shows nothing for what is quick, and nothing to a program that reads JSON", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const shown = <A, E>(effect: Effect.Effect<A, E>, json: boolean) =>
        effect.pipe(
          waiting("Waiting"),
          Effect.provideService(
            Environment,
            environment((text) => void written.push(text))
          ),
          Effect.provideService(Json, json),
          Effect.forkChild({ startImmediately: true })
        )
      const fibers = [yield* shown(Effect.void, false), yield* shown(Effect.sleep("3 seconds"), true)]
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(written, [])
    })
  )
})

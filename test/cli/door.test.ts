import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { answer, type Texts } from "../../src/cli/door/answer.ts"
import { inColor } from "../../src/cli/door/colors.ts"
import { type CommandRow, isFlag } from "../../src/cli/door/grammar.ts"
import * as Tree from "../../tools/grammar.ts"
import { home, run } from "./kit.ts"

const grammar = Tree.grammar()
const scripts = Tree.completionScripts()
const help = await Tree.helpTexts()
const version = await Tree.versionLine()
const texts: Texts = {
  grammar: () => grammar,
  help: () => help,
  version: () => version,
  completions: (shell) => scripts[{ sh: "bash", pwsh: "powershell" }[shell] ?? shell],
  colors: () => inColor(process.env, () => process.stdout.isTTY)
}

interface Place {
  readonly path: ReadonlyArray<string>
  readonly command: CommandRow
}
const placesOf = (command: CommandRow, path: ReadonlyArray<string>): ReadonlyArray<Place> => [
  { command, path },
  ...command.subcommands.flatMap((sub) => placesOf(sub, [...path, sub.name]))
]
const places = placesOf(grammar.root, [])

/** What the door answers has to be what the program prints. Tells whether the door did answer. */
const agree = Effect.fnUntraced(function* (setting: { readonly home: string }, argv: ReadonlyArray<string>) {
  const known = answer(texts, argv)
  if (known === undefined || known._tag === "Command") return false
  const ended = yield* run(setting, ...argv)
  assert.deepStrictEqual(
    { stdout: known.stdout, stderr: known.stderr, code: known.code },
    { stdout: ended.stdout, stderr: ended.stderr, code: ended.code },
    JSON.stringify(argv)
  )
  return true
})

const misspelt = (word: string): string => `${word.slice(0, -1)}${word.endsWith("x") ? "y" : "x"}`

/** Command lines that are wrong at one place of the tree, each in one way. */
const wrongAt = ({ command, path }: Place): ReadonlyArray<ReadonlyArray<string>> => [
  path,
  [...path, "--help"],
  ["--help", ...path],
  [...path, "-h", "--json"],
  [...path, "--bogus"],
  [...path, "--jsom"],
  [...path, "-x"],
  [...path, "--url"],
  [...path, "--profile", "a", "--profile", "b"],
  [...path, "--log-level", "loud"],
  [...path, "one", "two", "three", "four"],
  ...(command.subcommands.length === 0 ? [] : [[...path, misspelt(command.subcommands[0]?.name ?? "")]]),
  ...command.params.filter(isFlag).flatMap(({ flag, kind }) => [
    [...path, `--${misspelt(flag)}`],
    ...(kind === "boolean"
      ? []
      : [
          [...path, `--${flag}`],
          [...path, `--${flag}`, "--json"]
        ]),
    ...(kind === "choice" ? [[...path, `--${flag}`, "?"]] : []),
    ...(kind === "text" ? [[...path, `--${flag}`, "a", `--${flag}=b`]] : [])
  ])
]

describe("the door", () => {
  it.live("says of every command what the program says: help, and each way to be wrong", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      let answered = 0
      let asked = 0
      for (const place of places) {
        for (const argv of wrongAt(place)) {
          asked++
          if (yield* agree(setting, argv)) answered++
          if (yield* agree(setting, [...argv, "--json"])) answered++
        }
      }
      assert.isAbove(answered, asked)
    }).pipe(Effect.scoped)
  )

  const known: ReadonlyArray<ReadonlyArray<string>> = [
    [],
    ["--version"],
    ["-v"],
    ["-vh"],
    ["--version", "--json"],
    ["--help", "--version", "nodes", "list"],
    ["nods"],
    ["nodes", "lst"],
    ["nodes", "lst", "--json"],
    ["nodes", "list", "--bogus", "value"],
    ["--bogus", "nodes", "list", "--conected"],
    ["gateway", "--auth", "trusted-proxy"],
    ["gateway", "--force", "status"],
    ["gateway", "call"],
    ["gateway", "call", "health", "more", "words"],
    ["nodes", "approve"],
    ["message", "send", "-m", "hello"],
    ["message", "send", "-m"],
    ["completion", "tcsh"],
    ["completion", "bash"],
    ["--completions", "sh"],
    ["--completions=pwsh"],
    ["--completions", "tcsh"],
    ["--completions"],
    ["-"],
    ["-1"],
    ["--=x"],
    ["nodes", "\u001b[2J"],
    ["nodes", "list", "--\u202e", "--json"],
    ["nodes", "list", "--conn€cted"],
    ["demo", "two words", 'a "quoted" one']
  ]
  it.live.each(known.map((argv) => [argv] as const))("answers %j", ([argv]) =>
    Effect.gen(function* () {
      assert.isTrue(yield* agree({ home: yield* home }, argv))
    }).pipe(Effect.scoped)
  )

  const left: ReadonlyArray<ReadonlyArray<string>> = [
    ["nodes", "list", "--", "--help"],
    ["nodes", "list", "--timeout", "0"],
    ["nodes", "list", "--timeout=v", "--log-level=DEBUG"],
    ["gateway", "--port", "http"],
    ["nodes", "list", "--json=perhaps"],
    ["--no-json=true", "nodes"]
  ]
  it.each(left.map((argv) => [argv] as const))("leaves %j to the program", (argv) => {
    const found = answer(texts, argv)
    assert.isTrue(found === undefined || found._tag === "Command")
  })

  it("gives what it took apart where a command has to run", () => {
    const found = answer(texts, ["--token=t", "nodes", "--json", "list", "--timeout", "5", "--connected", "no"])
    assert.isTrue(found?._tag === "Command")
    if (found?._tag !== "Command") return
    assert.deepStrictEqual(
      [found.asked.path, Object.fromEntries(found.asked.flags), Object.fromEntries(found.asked.globals)],
      [["openclaw", "nodes", "list"], { timeout: ["5"], connected: ["no"] }, { token: ["t"], json: ["true"] }]
    )
  })

  const words = Array.from(
    new Set([
      ...places.flatMap(({ command, path }) => [
        ...path,
        ...command.params
          .filter(isFlag)
          .flatMap(({ aliases, flag, negation }) => [
            `--${flag}`,
            `--${flag}=`,
            `--${flag}=v`,
            ...(negation === undefined ? [] : [`--${negation}`]),
            ...aliases.map((alias) => `-${alias}`)
          ])
      ]),
      ...grammar.globals.flatMap(({ flag, kind }) => [`--${flag}`, ...(kind === "boolean" ? [] : [`--${flag}=v`])]),
      "word",
      "",
      "-",
      "-3",
      "-abc",
      "-m=x",
      "--",
      "true",
      "no",
      "0",
      "--no-json",
      "--no-nothing",
      "--jsn",
      "bash"
    ])
  )
  const Words = Schema.Array(Schema.Literals(words)).pipe(Schema.check(Schema.isMaxLength(5)))
  it.effect.prop("never says what the program would not, whatever the words", [Schema.Natural, Words], ([at, given]) =>
    Effect.gen(function* () {
      // Half of them begin at a command, so that the words mean something there.
      const path = at % 2 === 0 ? (places[at % places.length]?.path ?? []) : []
      yield* agree({ home: yield* home }, [...path, ...given])
    }).pipe(Effect.scoped)
  )

  it("shows colors as the program does", () => {
    const yes = () => true
    const no = () => false
    assert.deepStrictEqual(
      [
        inColor({}, yes),
        inColor({}, no),
        inColor({ NO_COLOR: "1", FORCE_COLOR: "1" }, yes),
        inColor({ NO_COLOR: "" }, yes),
        inColor({ FORCE_COLOR: "1" }, no),
        inColor({ FORCE_COLOR: "0" }, no),
        inColor({ FORCE_COLOR: "false" }, no),
        inColor({ TERM: "dumb", FORCE_COLOR: "1" }, yes)
      ],
      [true, false, false, true, true, false, false, false]
    )
  })
})

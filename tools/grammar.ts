/**
 * The command tree as data, for the door: what it understands, its help texts, its completion scripts. `tools/build.mjs` writes
 * them beside the bundle. A tree that the door's parser could misread is no tree to build from, so that fails here.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import type * as Param from "effect/cli/Param"
import * as Primitive from "effect/cli/Primitive"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ArgumentRow, CommandRow, FlagRow, Grammar, HelpTexts, Kind } from "../src/cli/door/grammar.ts"
import { commands } from "../src/cli/direct.ts"
import { builtIns } from "../src/cli/program.ts"
import { root } from "../src/cli/root.ts"
import * as Settings from "../src/cli/settings.ts"
import { VERSION } from "../src/domain/Version.ts"
import * as serving from "../src/cli/serving.ts"

type Single = Param.Single<Param.ParamKind, unknown>

/** A parameter, as `effect/cli` builds it from smaller ones. */
type Node =
  | Single
  | { readonly _tag: "Map" | "Optional"; readonly param: Node }
  | { readonly _tag: "Transform"; readonly param: Node; readonly alternatives: ReadonlyArray<unknown> }
  | { readonly _tag: "Variadic"; readonly param: Node; readonly min: Option.Option<number> }

/** What a command holds beside its public face. */
interface Inside {
  readonly config: { readonly orderedParams: ReadonlyArray<Node> }
  readonly contextConfig: { readonly orderedParams: ReadonlyArray<Node> }
  readonly globalFlags: ReadonlyArray<unknown>
  readonly handle: (input: object, path: ReadonlyArray<string>) => Effect.Effect<void, unknown>
}

// The package keeps these fields to itself; a test compares what comes of them with what the tree does.
const inside = (command: Command.Command.Any): Inside => command as unknown as Inside

interface Judged {
  readonly single: Single
  readonly required: boolean
  readonly many: boolean
  /** The tree has code of its own that looks at the value. */
  readonly filtered: boolean
}

const judged = (node: Node): Judged => {
  switch (node._tag) {
    case "Single":
      return { single: node, required: true, many: false, filtered: false }
    case "Map":
      return judged(node.param)
    case "Optional":
      return { ...judged(node.param), required: false }
    case "Transform":
      // `withDefault` is one of these too: its alternative stands in for a value that is not given.
      return node.alternatives.length > 0
        ? { ...judged(node.param), required: false }
        : { ...judged(node.param), filtered: true }
    case "Variadic":
      return { ...judged(node.param), many: true, required: Option.getOrElse(node.min, () => 0) > 0 }
  }
}

const choicesOf = ({ primitiveType }: Single): ReadonlyArray<string> | undefined =>
  "choiceKeys" in primitiveType ? (primitiveType.choiceKeys as ReadonlyArray<string>) : undefined

const kindOf = ({ filtered, many, single }: Judged): Kind => {
  const tag = single.primitiveType._tag
  if (tag === "Boolean") return "boolean"
  if (filtered) return "other"
  if (tag === "String") return "text"
  return tag === "Choice" && !many ? "choice" : "other"
}

const rowOf = (node: Node): FlagRow | ArgumentRow => {
  const found = judged(node)
  const { many, required, single } = found
  const kind = kindOf(found)
  const choices = choicesOf(single)
  const shared = { kind, required, many, ...(kind === "choice" && choices !== undefined ? { choices } : undefined) }
  if (single.kind === "argument") return { argument: single.name, ...shared }
  if (single.optionalValue !== undefined)
    throw new Error(`--${single.name}: the door knows no flags with optional values`)
  return {
    flag: single.name,
    aliases: single.aliases,
    ...(kind !== "boolean" || single.negation === false
      ? undefined
      : { negation: single.negation ?? `no-${single.name}` }),
    expected:
      choices === undefined ? (single.typeName ?? Primitive.getTypeName(single.primitiveType)) : choices.join(" | "),
    hidden: single.hidden,
    ...shared
  }
}

/** Whether a command fails by itself when none of its subcommands is named. Its handler is not carried out: it lacks all services. */
const isGroup = (command: Command.Command.Any): boolean => {
  if (command.subcommands.length === 0) return false
  const settings: Context.Context<never> = Settings.all.reduce(
    (context, flag) => Context.add(context, flag as unknown as Context.Key<never, unknown>, Option.none()),
    Context.empty()
  )
  const exit = Effect.runSyncExit(Effect.provide(inside(command).handle({}, [command.name]), settings))
  if (!Exit.isFailure(exit)) return false
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return CliError.isCliError(error) && error._tag === "ShowHelp"
}

const childrenOf = (command: Command.Command.Any): ReadonlyArray<Command.Command.Any> =>
  command.subcommands.flatMap(({ commands }) => commands)

const commandOf = (command: Command.Command.Any): CommandRow => {
  const { config, contextConfig, globalFlags } = inside(command)
  if (contextConfig.orderedParams.length > 0) throw new Error(`${command.name}: the door knows no shared flags`)
  if (command !== root && globalFlags.length > 0)
    throw new Error(`${command.name}: the door knows global flags of the root only`)
  return {
    name: command.name,
    ...(command.alias === undefined ? undefined : { alias: command.alias }),
    params: config.orderedParams.map(rowOf),
    subcommands: childrenOf(command).map(commandOf),
    group: isGroup(command)
  }
}

const flagRow = (node: Node): FlagRow => {
  const row = rowOf(node)
  if (!("flag" in row)) throw new Error("a global flag is no argument")
  return row
}

export const grammar = (): Grammar => ({
  root: commandOf(root),
  globals: [...builtIns, ...Settings.all].map(({ flag }) => flagRow(flag as unknown as Node)),
  direct: [...Object.keys(commands), ...Object.keys(serving.commands)],
  yes: ["true", "yes", "on", "1", "y"],
  no: ["false", "no", "off", "0", "n"]
})

const printed = (...argv: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const recorder = { ...globalThis.console, log: (text: string) => void lines.push(text) }
    yield* Command.runWith(root, { version: VERSION })(argv).pipe(
      Effect.provideService(Console.Console, recorder),
      Effect.provide(
        Layer.mergeAll(
          NodeServices.layer,
          CliConfig.layer({ builtIns }),
          CliOutput.layer(CliOutput.defaultFormatter({ colors: true }))
        )
      ),
      Effect.orDie
    ) as Effect.Effect<void>
    return lines.join("\n")
  })

const paths = (command: CommandRow, above: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> => {
  const path = [...above, command.name]
  return [path, ...command.subcommands.flatMap((sub) => paths(sub, path))]
}

/** The line of `--version`, in color. */
export const versionLine = (): Promise<string> => Effect.runPromise(printed("--version"))

/** The help of every command, in color. */
export const helpTexts = async (): Promise<HelpTexts> => {
  const texts: Record<string, string> = {}
  for (const path of paths(grammar().root)) {
    texts[path.join(" ")] = await Effect.runPromise(printed(...path.slice(1), "--help"))
  }
  return texts
}

/** The scripts by the names that `--completions` understands. */
export const completionScripts = (): Readonly<Record<string, string>> => {
  const tree = Completions.fromCommand(root)
  const of = (shell: Completions.Shell) => Completions.generate("openclaw", shell, tree)
  return { bash: of("bash"), zsh: of("zsh"), fish: of("fish"), powershell: of("powershell") }
}

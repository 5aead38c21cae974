/**
 * `openclaw config`: the configuration file.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const path = Argument.String("path").pipe(
  Argument.withDescription('Where in the file: gateway.port, agents.list[0].id, models.providers["a.b"].apiKey')
)

const get = Command.make(
  "get",
  {
    path: path.pipe(Argument.optional, Argument.map(Option.getOrUndefined)),
    showSecrets: flags.on("show-secrets", "Print tokens, keys and passwords instead of <redacted>")
  },
  lazily(() => import("./config/get.ts"))
).pipe(Command.withDescription("Print one value of the file, or all of it"))

const set = Command.make(
  "set",
  {
    path,
    value: Argument.String("value").pipe(
      Argument.withDescription(
        "JSON5 (19001, true, ['a']); anything else is taken as text; - reads it from standard input"
      ),
      Argument.optional,
      Argument.map(Option.getOrUndefined)
    ),
    stdin: flags.on("stdin", "Read the value from standard input, where no other user sees it"),
    strictJson: flags.on("strict-json", "Take the value as JSON only; anything else is wrong"),
    merge: flags.on("merge", "Add to the object or list that is there"),
    replace: flags.on(
      "replace",
      "Let go of entries of a map of agents, providers or models that the value does not have"
    )
  },
  lazily(() => import("./config/set.ts"))
).pipe(
  Command.withDescription("Set one value; nothing is written when it would not be valid"),
  Command.withExamples([
    { command: "openclaw config set agents.defaults.model ollama/qwen3", description: "The model that answers" },
    { command: "openclaw config set channels.telegram.botToken - < token", description: "A secret, from a file" }
  ])
)

const unset = Command.make(
  "unset",
  { path },
  lazily(() => import("./config/unset.ts"))
).pipe(Command.withDescription("Remove one value, so that the default applies again"))

const validate = Command.make(
  "validate",
  {},
  lazily(() => import("./config/validate.ts"))
).pipe(Command.withDescription("Say what is wrong with the file, and which keys are kept but not used"))

const patch = Command.make(
  "patch",
  {
    file: flags.text("file", "Read the patch, a JSON5 object, from this file"),
    stdin: flags.on("stdin", "Read the patch from standard input"),
    dryRun: flags.on("dry-run", "Check the result and write nothing"),
    replacePath: Flag.String("replace-path").pipe(
      Flag.withDescription("Replace what is at this path instead of merging into it; may be given several times"),
      Flag.atLeast(0)
    )
  },
  lazily(() => import("./config/patch.ts"))
).pipe(
  Command.withDescription("Merge an object into the file: objects merge, other values replace, null deletes"),
  Command.withExamples([
    { command: "openclaw config patch --file ./patch.json5 --dry-run", description: "What it would change" }
  ])
)

const schema = Command.make(
  "schema",
  {},
  lazily(() => import("./config/schema.ts"))
).pipe(Command.withDescription("Print the JSON Schema of the file"))

const file = Command.make(
  "file",
  {},
  lazily(() => import("./config/file.ts"))
).pipe(Command.withDescription("Print where the file is, or would be"))

export const config = Command.make("config").pipe(
  Command.withDescription("The configuration file (openclaw.json)"),
  Command.withSubcommands([get, set, patch, unset, schema, validate, file])
)

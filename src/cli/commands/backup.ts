/**
 * `openclaw backup`: the state directory and the configuration in one file.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const archive = Argument.String("archive").pipe(
  Argument.withDescription("The file that `openclaw backup create` made (.tar.gz)")
)

const create = Command.make(
  "create",
  {
    output: flags.text("output", "A folder, or the name of the file; the current folder when left out"),
    verify: flags.on("verify", "Read the finished archive from end to end")
  },
  lazily(() => import("./backup/create.ts"))
).pipe(
  Command.withDescription("Make a backup of state and configuration; a running Gateway goes on meanwhile"),
  Command.withExamples([{ command: "openclaw backup create --output ~/Backups", description: "Into a folder" }])
)

const verify = Command.make(
  "verify",
  { archive },
  lazily(() => import("./backup/verify.ts"))
).pipe(Command.withDescription("Whether a backup is whole: every sum, every page of its databases"))

const restore = Command.make(
  "restore",
  {
    archive,
    yes: flags.on("yes", "Do not ask"),
    resume: flags.on("resume", "Take up what was open in the backup, even if the Gateway went on after it")
  },
  lazily(() => import("./backup/restore.ts"))
).pipe(
  Command.withDescription("Put a backup in the place of the state directory; what is there is kept aside"),
  Command.withExamples([
    { command: "openclaw backup restore ~/Backups/<archive>.tar.gz", description: "With the Gateway stopped" }
  ])
)

export const backup = Command.make("backup").pipe(
  Command.withDescription("Back up the state directory and the configuration, check a backup, restore it"),
  Command.withSubcommands([create, verify, restore])
)

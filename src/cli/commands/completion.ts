/**
 * `openclaw completion`: completion for a shell.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Console from "effect/Console"

/** `tree` is asked for when the command runs: the command is part of it. */
export const completion = (tree: () => Command.Command.Any) =>
  Command.make(
    "completion",
    {
      shell: Argument.Literals("shell", ["bash", "zsh", "fish", "powershell"]).pipe(
        Argument.withDescription("The shell to complete for")
      )
    },
    ({ shell }) => Console.log(Completions.generate("openclaw", shell, Completions.fromCommand(tree())))
  ).pipe(
    Command.withDescription("Print a script that completes openclaw's commands and flags in a shell"),
    Command.withExamples([{ command: "source <(openclaw completion bash)", description: "In the present bash" }])
  )

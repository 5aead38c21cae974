/**
 * What is printed when the command line itself is wrong: the fault and where help is, on stderr, or with `--json` an object
 * on stdout. Help that was asked for goes to stdout.
 */
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import { EXIT } from "./exitCodes.ts"
import { document, lines } from "./output.ts"

export const layer = (json: boolean) =>
  CliOutput.layerPresenter({
    present: (event) => {
      const refused = event._tag === "InvalidInvocation"
      const lacksSubcommand = event._tag === "Help" && event.reason === "Implicit" && event.commandPath.length > 1
      if (!refused && !(json && lacksSubcommand)) return CliOutput.defaultPresenter.present(event)
      const command = event.commandPath.join(" ")
      const errors = refused ? event.errors : []
      const message = refused
        ? errors.map((error) => error.message).join("\n")
        : `\`${command}\` needs one of its commands.`
      const fix = `\`${command} --help\` shows what is understood.`
      const name = errors[0]?._tag ?? "MissingSubcommand"
      return json
        ? Console.log(
            document({
              ok: false,
              error: { type: "cli_error", name, message: `${message}\nFix: ${fix}`, fix, exitCode: EXIT.failed }
            })
          )
        : Console.error(`${lines(message)}\nFix: ${fix}`)
    }
  })

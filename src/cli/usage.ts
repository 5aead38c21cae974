/**
 * What is printed when the command line itself is wrong: the fault and where help is, on stderr, or with `--json` an object
 * on stdout. Help that was asked for goes to stdout. The door says the same without this (`door/answer.ts`).
 */
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import { refusal } from "./refusal.ts"

export const layer = (json: boolean) =>
  CliOutput.layerPresenter({
    present: (event) => {
      const refused = event._tag === "InvalidInvocation"
      const lacksSubcommand = event._tag === "Help" && event.reason === "Implicit" && event.commandPath.length > 1
      if (!refused && !(json && lacksSubcommand)) return CliOutput.defaultPresenter.present(event)
      const faults = refused ? event.errors.map(({ _tag, message }) => ({ name: _tag, message })) : []
      const text = refusal(event.commandPath, faults, json)
      return json ? Console.log(text) : Console.error(text)
    }
  })

/**
 * What is printed when the command line itself is wrong: the fault and where help is, on stderr. Help that was asked for
 * goes to stdout.
 */
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { document, lines } from "./output.ts"

export const layer = (json: boolean) =>
  CliOutput.layerPresenter({
    present: (event) => {
      if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
      const message = event.errors.map((error) => error.message).join("\n")
      const fix = `Fix: \`${[...event.commandPath, "--help"].join(" ")}\` shows what is understood.`
      return Console.error(
        json
          ? document({
              ok: false,
              error: {
                type: "cli_error",
                name: event.errors[0]?._tag ?? "InvalidInvocation",
                message: `${message}\n${fix}`
              }
            })
          : `${lines(message)}\n${fix}`
      ).pipe(Effect.asVoid)
    }
  })

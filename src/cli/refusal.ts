/**
 * What is said of a wrong command line, by the program and by its door alike.
 */
import { EXIT } from "./exitCodes.ts"
import { document, lines } from "./text.ts"

export interface Fault {
  /** The parser's name for it. */
  readonly name: string
  readonly message: string
}

/** Without a fault the command needs one of its subcommands. */
export const refusal = (commandPath: ReadonlyArray<string>, faults: ReadonlyArray<Fault>, json: boolean): string => {
  const command = commandPath.join(" ")
  const message =
    faults.length === 0 ? `\`${command}\` needs one of its commands.` : faults.map(({ message }) => message).join("\n")
  const fix = `\`${command} --help\` shows what is understood.`
  const name = faults[0]?.name ?? "MissingSubcommand"
  return json
    ? document({
        ok: false,
        error: { type: "cli_error", name, message: `${message}\nFix: ${fix}`, fix, exitCode: EXIT.failed }
      })
    : `${lines(message)}\nFix: ${fix}`
}

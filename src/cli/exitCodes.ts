/**
 * What the program's exit codes mean: one table that the code takes them from and the reference is generated from.
 *
 * Scripts branch on `error.name` of `--json`; the codes are few on purpose. They are those of OpenClaw's command line, which
 * answers nearly every failure with 1, and those of `sysexits.h` and of shells where a service manager or a shell looks at them.
 */

export interface ExitCode {
  readonly code: number
  readonly name: string
  /** When a command ends with it. */
  readonly means: string
  /** What to do about it. */
  readonly fix: string
  /** The `error.name`s that end with it; empty where it is not decided by an error's name. */
  readonly errors: ReadonlyArray<string>
}

export const exitCodes = [
  {
    code: 0,
    name: "done",
    means:
      "Done. Also the end of `gateway run`, `node run` and other commands that run until they are stopped, and of a command whose output nobody reads any longer.",
    fix: "Nothing.",
    errors: []
  },
  {
    code: 1,
    name: "failed",
    means:
      "Failed, or what was looked at is not well (`health`, `status`, `doctor`). Also a command line that is not understood, as in OpenClaw. Every error that no other row names.",
    fix: "What the line after `Fix:` says; with --json it is `error.fix`.",
    errors: []
  },
  {
    code: 78,
    name: "misconfigured",
    means:
      "The configuration is wrong or missing, so that trying again changes nothing. A service that ends so is not started again.",
    fix: "`openclaw config validate` names the places; correct them, then start it again.",
    errors: ["ConfigInvalid", "ConfigUnreadable", "RestartRefused", "SecretUnresolved", "SettingInvalid"]
  },
  {
    code: 129,
    name: "hungUp",
    means: "Ended on the spot: its terminal was closed a second time while it was ending.",
    fix: "Nothing that was told to be stored is lost. `nohup` or `openclaw gateway install` outlive a terminal.",
    errors: []
  },
  {
    code: 130,
    name: "interrupted",
    means:
      "Broken off by Ctrl-C, SIGTERM or SIGHUP before it was done, in order. Or ended on the spot by a second Ctrl-C.",
    fix: "Run it again where the outcome matters.",
    errors: []
  },
  {
    code: 143,
    name: "terminated",
    means: "Ended on the spot by a second SIGTERM while it was ending.",
    fix: "Give it more time before the second signal: a Gateway lets its turns come to where they resume.",
    errors: []
  }
] as const satisfies ReadonlyArray<ExitCode>

type Rows = typeof exitCodes
export type ExitName = Rows[number]["name"]

/** The codes by their names. */
export const EXIT = Object.fromEntries(exitCodes.map(({ code, name }) => [name, code])) as {
  readonly [Name in ExitName]: Extract<Rows[number], { readonly name: Name }>["code"]
}

const byError: ReadonlyMap<string, number> = new Map(
  exitCodes.flatMap(({ code, errors }) => errors.map((name) => [name, code] as const))
)

/** The code of a failure by its error's name. */
export const exitCodeOfError = (name: string): number => byError.get(name) ?? EXIT.failed

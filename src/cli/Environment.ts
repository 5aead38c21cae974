/**
 * What the process was started with. The only place below `main.ts` that sees the environment; commands read it as a
 * service, so a test gives its own.
 */
import * as Context from "effect/Context"

export class Environment extends Context.Service<
  Environment,
  {
    readonly variables: Readonly<Record<string, string | undefined>>
    readonly home: string
    readonly cwd: string
    readonly pid: number
    /** Path of the running Node and of this program, for starting another copy of it. */
    readonly execPath: string
    readonly entry: string
    readonly interactive: boolean
    /** Writes to the terminal that stderr is, for progress; `undefined` when stderr is none. */
    readonly terminal: ((text: string) => void) | undefined
  }
>()("openclaw/cli/Environment") {}

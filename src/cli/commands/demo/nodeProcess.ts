/**
 * The demo's node: `openclaw node run` as a process of its own.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"
import { Environment } from "../../Environment.ts"

/** The variables that a child needs to run at all; nothing of the caller's secrets or settings. */
const INHERITED = ["PATH", "LANG", "LC_ALL", "TERM", "SystemRoot", "TMPDIR", "TEMP"]

export interface NodeProcessOptions {
  readonly port: number
  readonly token: string
  readonly displayName: string
  /** A folder of the node's own, as home and for its state. */
  readonly folder: string
}

/** Starts the node; it ends with the scope. Gives what it prints, line by line. */
export const start = Effect.fn("demo.startNode")(function* (options: NodeProcessOptions) {
  const { entry, execPath, variables } = yield* Environment
  const inherited = Object.fromEntries(
    INHERITED.flatMap((name) => (variables[name] === undefined ? [] : [[name, variables[name]]]))
  )
  const child = yield* ChildProcess.make(
    execPath,
    [
      entry,
      "node",
      "run",
      "--host",
      "127.0.0.1",
      "--port",
      String(options.port),
      "--display-name",
      options.displayName,
      "--json"
    ],
    {
      env: {
        ...inherited,
        HOME: options.folder,
        OPENCLAW_STATE_DIR: `${options.folder}/.openclaw`,
        OPENCLAW_GATEWAY_TOKEN: options.token
      },
      extendEnv: false,
      stdin: "ignore",
      killSignal: "SIGTERM",
      forceKillAfter: "3 seconds"
    }
  )
  return {
    lines: child.all.pipe(Stream.decodeText(), Stream.splitLines),
    exitCode: child.exitCode
  }
})

/**
 * A program that is run to its end.
 */
import { spawn } from "node:child_process"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"

export interface Ended {
  /** `null` after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Invocation {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Its output is shown instead of kept. */
  readonly loud?: boolean
}

/** Runs it; interruption kills it. Only PATH is passed on besides `env`. */
export const run = Effect.fnUntraced(function* ({ args, cwd, env, loud, program }: Invocation) {
  const path = yield* Effect.orDie(Config.String("PATH"))
  return yield* Effect.callback<Ended>((resume) => {
    const child = spawn(program, args, {
      env: { PATH: path, ...env },
      stdio: loud === true ? ["ignore", 2, 2] : ["ignore", "pipe", "pipe"],
      ...(cwd === undefined ? undefined : { cwd })
    })
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk))
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk))
    child.once("error", (error) => resume(Effect.die(error)))
    child.once("close", (code) =>
      resume(
        Effect.succeed({
          code,
          stdout: Buffer.concat(out).toString("utf8"),
          stderr: Buffer.concat(err).toString("utf8")
        })
      )
    )
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
})

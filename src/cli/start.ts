/**
 * Runs the CLI on this process: the only place below `main.ts` that sees what the process was started with.
 */
import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import { fileURLToPath } from "node:url"
import type * as Effect from "effect/Effect"
import type { Run } from "./carried.ts"
import type { Reported } from "./errors.ts"
import * as Lifetime from "./lifetime.ts"
import { runMain, survivesHangup } from "./runMain.ts"

const stdinFlags = (): string | undefined => {
  try {
    return /^flags:\s*(\d+)/m.exec(readFileSync("/proc/self/fdinfo/0", "utf8"))?.[1]
  } catch {
    // Only Linux has it.
    return undefined
  }
}

/** Runs what is made of the command line; `false`, and nothing was done, where nothing is made of it. */
export const start = (make: (run: Run) => Effect.Effect<void, Reported> | undefined): boolean => {
  const lifetime = Lifetime.make()
  const variables = process.env
  const program = make({
    arguments: process.argv.slice(2),
    lifetime,
    environment: {
      variables,
      home: homedir(),
      cwd: process.cwd(),
      pid: process.pid,
      execPath: process.execPath,
      entry: process.argv[1] ?? fileURLToPath(import.meta.url),
      // Standard input is opened by looking at it, and few commands have questions.
      get interactive() {
        return process.stdin.isTTY === true && process.stdout.isTTY === true
      },
      terminal: process.stderr.isTTY === true ? (text) => void process.stderr.write(text) : undefined
    }
  })
  if (program === undefined) return false
  runMain(program, {
    lifetime,
    process: {
      on: (name, listener) => process.on(name, listener),
      exit: (code) => process.exit(code),
      now: () => performance.now(),
      outputs: [process.stdout, process.stderr],
      survivesHangup: survivesHangup({ command: variables["_"], flags: stdinFlags() })
    }
  })
  return true
}

/**
 * The binary: runs the CLI on this process.
 */
import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import { fileURLToPath } from "node:url"
import * as Lifetime from "./cli/lifetime.ts"
import { program } from "./cli/program.ts"
import { runMain, survivesHangup } from "./cli/runMain.ts"

const stdinFlags = (): string | undefined => {
  try {
    return /^flags:\s*(\d+)/m.exec(readFileSync("/proc/self/fdinfo/0", "utf8"))?.[1]
  } catch {
    // Only Linux has it.
    return undefined
  }
}

const lifetime = Lifetime.make()
const variables = process.env

runMain(
  program({
    arguments: process.argv.slice(2),
    lifetime,
    environment: {
      variables,
      home: homedir(),
      cwd: process.cwd(),
      pid: process.pid,
      execPath: process.execPath,
      entry: process.argv[1] ?? fileURLToPath(import.meta.url),
      interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
      terminal: process.stderr.isTTY === true ? (text) => void process.stderr.write(text) : undefined
    }
  }),
  {
    lifetime,
    process: {
      on: (name, listener) => process.on(name, listener),
      exit: (code) => process.exit(code),
      now: () => performance.now(),
      outputs: [process.stdout, process.stderr],
      survivesHangup: survivesHangup({ command: variables["_"], flags: stdinFlags() })
    }
  }
)

/**
 * The binary: runs the CLI on this process.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { homedir } from "node:os"
import { fileURLToPath } from "node:url"
import * as Lifetime from "./cli/lifetime.ts"
import { program } from "./cli/program.ts"

const lifetime = Lifetime.make()

NodeRuntime.runMain(
  program({
    arguments: process.argv.slice(2),
    lifetime,
    environment: {
      variables: process.env,
      home: homedir(),
      cwd: process.cwd(),
      pid: process.pid,
      execPath: process.execPath,
      entry: process.argv[1] ?? fileURLToPath(import.meta.url),
      interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
      terminal: process.stderr.isTTY === true ? (text) => void process.stderr.write(text) : undefined
    }
  }),
  { disableErrorReporting: true, teardown: Lifetime.teardown(lifetime) }
)

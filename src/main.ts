/**
 * The binary: runs the CLI on this process, by its whole command tree.
 */
import { program } from "./cli/program.ts"
import { start } from "./cli/start.ts"

start(program)

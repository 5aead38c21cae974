/**
 * The binary: runs the CLI on this process.
 */
import { start } from "./cli/start.ts"

start()

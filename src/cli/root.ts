/**
 * The command tree. Each command is a file in `commands/`; heavy modules load when their command runs.
 */
import * as Command from "effect/cli/Command"
import { devices } from "./commands/devices.ts"
import { nodes } from "./commands/nodes.ts"
import * as globals from "./globals.ts"

export const root = Command.make("openclaw").pipe(
  Command.withDescription("Your own agent on your own machines: the OpenClaw Gateway, its nodes and its channels"),
  Command.withSubcommands([nodes, devices]),
  Command.withGlobalFlags(globals.all)
)

/**
 * `gateway run`, run without the command tree.
 */
import type * as Effect from "effect/Effect"
import type { Run } from "./carried.ts"
import * as begin from "./commands/gateway/begin.ts"
import { AUTH_MODES, BINDS, TAILSCALE_MODES } from "./commands/gateway/choices.ts"
import { choice, direct, type Direct, directlyBy, on, whole } from "./directly.ts"
import type { Asked } from "./door/parse.ts"
import type { Reported } from "./errors.ts"

const run = direct(() => begin, {
  port: whole("port", undefined, 0, 65_535),
  bind: choice("bind", BINDS),
  auth: choice("auth", AUTH_MODES),
  tailscale: choice("tailscale", TAILSCALE_MODES),
  allowUnconfigured: on("allow-unconfigured"),
  force: on("force"),
  verbose: on("verbose")
})

export const commands: Readonly<Record<string, Direct>> = { gateway: run, "gateway run": run }

/** The run of a Gateway; `undefined` where only the tree can say what is asked for. */
export const serving = (asked: Asked, run: Run): Effect.Effect<void, Reported> | undefined =>
  directlyBy(commands, asked, run)

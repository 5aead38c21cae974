/**
 * The commands that people and scripts wait for most, run without the command tree.
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Run } from "./carried.ts"
import { direct, type Direct, directlyBy, Not, on, text, whole, word } from "./directly.ts"
import type { Asked } from "./door/parse.ts"
import type { Reported } from "./errors.ts"

const timeout = whole("timeout", 10_000)

const health = direct(() => import("./commands/health/run.ts"), {
  probe: on("probe"),
  verbose: on("verbose"),
  debug: on("debug"),
  timeout
})

const sessions = direct(() => import("./commands/sessions/list.ts"), {
  agent: text("agent"),
  allAgents: on("all-agents"),
  active: whole("active", undefined),
  limit: whole("limit", undefined),
  timeout
})

const ofNodes = { connected: on("connected"), lastConnected: text("last-connected"), timeout }

export const commands: Readonly<Record<string, Direct>> = {
  health,
  "gateway health": health,
  "gateway call": direct(() => import("./commands/gateway/call.ts"), {
    method: word,
    params: text("params"),
    expectFinal: on("expect-final"),
    timeout
  }),
  status: direct(() => import("./commands/status/run.ts"), { deep: on("deep"), timeout }),
  sessions,
  "sessions list": sessions,
  "nodes list": direct(() => import("./commands/nodes/list.ts"), ofNodes),
  "nodes status": direct(() => import("./commands/nodes/status.ts"), ofNodes),
  "nodes describe": direct(() => import("./commands/nodes/describe.ts"), {
    node: (asked) => text("node")(asked) ?? Not,
    timeout
  }),
  "channels status": direct(() => import("./commands/channels/status.ts"), {
    probe: on("probe"),
    channel: text("channel"),
    timeout
  }),
  "devices list": direct(() => import("./commands/devices/list.ts"), { timeout }),
  "config get": direct(() => import("./commands/config/get.ts"), {
    path: ({ words }) => words[0],
    showSecrets: on("show-secrets")
  }),
  "tunnel status": direct(() => import("./commands/tunnel/status.ts"), {
    target: ({ words }) => Option.fromUndefinedOr(words[0])
  })
}

/** The run of a command that is known here; `undefined` for all others. */
export const directly = (asked: Asked, run: Run): Effect.Effect<void, Reported> | undefined =>
  directlyBy(commands, asked, run)

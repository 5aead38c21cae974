/** Calls of the node's commands, without a link. */
import * as Effect from "effect/Effect"
import * as Commands from "../../src/node-host/Commands.ts"
import type { RunResult } from "../../src/node-host/process.ts"
import type { RunContext } from "../../src/node-host/SystemRun.ts"

export const commands = Commands.make({ version: "1.2.3", displayName: "Attic" })
export const context: RunContext = { timeoutMs: 10_000, emit: () => Effect.void }

export const call = Effect.fnUntraced(function* (name: string, params: unknown, overrides: Partial<RunContext> = {}) {
  const table = yield* commands
  return yield* table.get(name)!(params, { ...context, ...overrides })
})
export const run = (params: unknown, overrides: Partial<RunContext> = {}) =>
  Effect.map(call("system.run", params, overrides), (result) => result as RunResult)
export const sh = (script: string, rest: object = {}, overrides: Partial<RunContext> = {}) =>
  run({ command: ["/bin/sh", "-c", script], ...rest }, overrides)
export const refusal = (params: unknown) => Effect.flip(run(params))

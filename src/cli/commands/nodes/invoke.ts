import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { randomId } from "../../../client/ids.ts"
import { invokedByAdmins } from "../../../layers/nodes/policy.ts"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { parseJson } from "../../json.ts"
import { document, plain } from "../../output.ts"
import { resolveNode } from "./shared.ts"

/** Commands that run programs go through the agent's exec tool, which asks for approval; a bare call would not. */
const RESERVED: ReadonlySet<string> = new Set(["system.run", "system.run.prepare"])

/** What the answer may take on top of the node's own time: two requests and their way back. */
const GRACE_MS = 5000

/** Prints the answer of `node.invoke` as JSON, with or without `--json`. */
export const run = Effect.fn("cli.nodes.invoke")(function* (flags: {
  readonly node: string
  readonly command: string
  readonly params: string | undefined
  readonly invokeTimeout: number | undefined
  readonly idempotencyKey: string | undefined
  readonly timeout: number
}) {
  const command = flags.command.trim()
  if (command === "")
    return yield* new CommandFailed({
      message: "--command is empty.\nFix: name a command of the node; `openclaw nodes describe` lists them."
    })
  if (RESERVED.has(command)) {
    return yield* new CommandFailed({
      message: `\`nodes invoke\` does not call ${command}: programs are run by the agent's own exec tool, under the node's approval rules.\nFix: ask the agent for it, for example \`openclaw agent -m "run … on ${plain(flags.node)}"\`.`
    })
  }
  const params = yield* parseJson("--params", flags.params ?? "{}")
  const timeoutMs = flags.invokeTimeout ?? 15_000
  const answer = yield* ask(
    {
      scopes: [invokedByAdmins.has(command) ? "operator.admin" : "operator.write"],
      timeoutMs: flags.timeout,
      waitingFor: `Waiting for ${command} on ${flags.node}`
    },
    Effect.fnUntraced(function* (client) {
      const { nodeId } = yield* resolveNode(client, flags.node)
      return yield* client.call["node.invoke"](
        { nodeId, command, params, timeoutMs, idempotencyKey: flags.idempotencyKey ?? randomId() },
        { timeout: Duration.millis(Math.max(flags.timeout, timeoutMs + GRACE_MS)) }
      )
    })
  )
  yield* Console.log(document(answer))
})

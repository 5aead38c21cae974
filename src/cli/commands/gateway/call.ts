import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { accessOf } from "../../../protocol/MethodTable.ts"
import type { OperatorScope } from "../../../protocol/Role.ts"
import { Json } from "../../globals.ts"
import { ask } from "../../gateway.ts"
import { parseJson } from "../../json.ts"
import { document, plain } from "../../output.ts"

/** The least that a method needs; what the table does not know is for admins. */
const scopesFor = (method: string): ReadonlyArray<OperatorScope> => {
  const access = accessOf(method)
  return access === "any" ? ["operator.read"] : [access === "node" ? "operator.admin" : access]
}

/** Prints the answer as it came; without `--json` under a line that names the method. */
export const run = Effect.fn("cli.gateway.call")(function* (flags: {
  readonly method: string
  readonly params: string | undefined
  readonly expectFinal: boolean
  readonly timeout: number
}) {
  const params = yield* parseJson("--params", flags.params ?? "{}")
  const answer = yield* ask(
    { scopes: scopesFor(flags.method), timeoutMs: flags.timeout, waitingFor: `Waiting for ${flags.method}` },
    (client) => client.request(flags.method, params, { expectFinal: flags.expectFinal, timeout: flags.timeout })
  )
  if (!(yield* Json)) yield* Console.log(`Gateway call: ${plain(flags.method)}`)
  yield* Console.log(document(answer))
})

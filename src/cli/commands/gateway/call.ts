import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { GatewayError } from "../../../protocol/GatewayError.ts"
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

const isMissing = Schema.is(
  Schema.Struct({ code: Schema.Literal("MISSING_SCOPE"), missingScope: Schema.Literal("operator.admin") })
)
const needsAdmin = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === "FORBIDDEN" && isMissing(error.details)

/** Prints the answer as it came; without `--json` under a line that names the method. */
export const run = Effect.fn("cli.gateway.call")(function* (flags: {
  readonly method: string
  readonly params: string | undefined
  readonly expectFinal: boolean
  readonly timeout: number
}) {
  const params = yield* parseJson("--params", flags.params ?? "{}")
  const call = (scopes: ReadonlyArray<OperatorScope>) =>
    ask({ scopes, timeoutMs: flags.timeout, waitingFor: `Waiting for ${flags.method}` }, (client) =>
      client.request(flags.method, params, { expectFinal: flags.expectFinal, timeout: flags.timeout })
    )
  const least = scopesFor(flags.method)
  const answer = yield* call(least).pipe(
    // Some methods need more for some params. Nothing was done yet, so it may be asked again.
    Effect.catchIf(
      (error) => !least.includes("operator.admin") && needsAdmin(error),
      () => call(["operator.admin"])
    )
  )
  if (!(yield* Json)) yield* Console.log(`Gateway call: ${plain(flags.method)}`)
  yield* Console.log(document(answer))
})

/**
 * Whether a Gateway answers, as data: a failure is a finding here, not the end of the command.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { BriefClient } from "../client/BriefClient.ts"
import type { Target } from "../client/credentials.ts"
import type { OperatorScope } from "../protocol/Role.ts"
import type { HelloOk } from "../protocol/Connect.ts"
import { describe } from "./errors.ts"
import { explainRemote, open, type OpenOptions } from "./gateway.ts"
import { waiting } from "./progress.ts"

export interface Reached<A> {
  readonly ok: true
  readonly latencyMs: number
  readonly hello: HelloOk
  readonly target: Target
  readonly answer: A
}

export interface Unreached {
  readonly ok: false
  /** A Gateway is there and said no, as opposed to nothing being there. */
  readonly refused: boolean
  readonly error: ReturnType<typeof describe>
}

/** Connects, asks, and tells what came of it. Only a wrong configuration or flag is an error. */
export const probe = <A, E, R>(options: OpenOptions, use: (client: BriefClient) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const opened = yield* open(options)
    const { client, latencyMs, target } = opened
    const answer = yield* use(client).pipe(explainRemote(opened))
    return { ok: true, latencyMs, hello: client.hello, target, answer } satisfies Reached<A>
  }).pipe(
    Effect.scoped,
    Effect.result,
    waiting("Waiting for the Gateway"),
    Effect.map(
      Result.match({
        onSuccess: (reached): Reached<A> | Unreached => reached,
        onFailure: (error): Reached<A> | Unreached => {
          const described = describe(error)
          return {
            ok: false,
            refused: described.name === "HandshakeRejected" || described.name === "GatewayError",
            error: described
          }
        }
      })
    )
  )

/** What the connection may do, as OpenClaw words it. */
export const capabilityOf = (hello: HelloOk): string => {
  const { scopes } = hello.auth
  if (scopes.includes("operator.admin")) return "admin"
  if (scopes.includes("operator.write")) return "write"
  return scopes.includes("operator.read") ? "read-only" : "connected-no-operator-scope"
}

/** The same for people: what was given here says nothing of what another command with these credentials is given. */
export const capabilityInWords = (
  hello: HelloOk,
  asked: ReadonlyArray<OperatorScope>,
  mode: "cli" | "probe"
): string => {
  const capability = capabilityOf(hello)
  const lacks = asked.filter((scope) => !hello.auth.scopes.includes(scope))
  if (lacks.length === 0) return `${capability} (all that this command asks for; others may do more)`
  return mode === "probe"
    ? `${capability} (a bare probe is given none; other commands may do more with these credentials)`
    : `${capability} (${lacks.join(", ")} was asked for and not given)`
}

import * as Effect from "effect/Effect"
import { forget } from "../../../client/tunnel/knownGateways.ts"
import { parse } from "../../../domain/SshTarget.ts"
import { count, print } from "../../output.ts"
import * as State from "../../state.ts"

export const run = Effect.fn("cli.tunnel.forget")(function* (flags: {
  readonly target: string
  readonly remotePort: number | undefined
}) {
  const target = yield* Effect.fromResult(parse(flags.target, "the command line"))
  const forgotten = yield* forget(target, flags.remotePort)
  yield* print({ ok: true, target, forgotten }, () =>
    forgotten === 0
      ? `No Gateway behind ${target} was known.`
      : `${count(forgotten, "Gateway")} behind ${target} forgotten: the next that answers is taken for it.`
  )
}, Effect.provide(State.stateDir))

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { resolveCredential, resolvePort } from "../../../layers/config/gatewayAuth.ts"
import { interfaces, tailnetAddress } from "../../../layers/gateway/bind.ts"
import { type Answer, type Check, examine } from "../../../layers/tailscale/examine.ts"
import * as TailscaleLayer from "../../../layers/tailscale/Tailscale.ts"
import { Config } from "../../../services/Config.ts"
import { Tailscale, type TailscaleUnavailable } from "../../../services/Tailscale.ts"
import { Environment } from "../../Environment.ts"
import { NotWell } from "../../errors.ts"
import { saysHere } from "../../here.ts"
import { count, plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"

const words: Readonly<Record<Check["status"], string>> = { ok: "ok", info: "note", warn: "WARN", error: "ERROR" }

const answer = <A>(asked: Effect.Effect<A, TailscaleUnavailable>): Effect.Effect<Answer<A>> =>
  Effect.match(asked, { onSuccess: (found) => ({ found }), onFailure: (error) => ({ error }) })

const shown = ({ detail, fix, id, status }: Check): string =>
  [
    `${words[status].padEnd(5)} ${id.padEnd(7)} ${plain(detail)}.`,
    ...(fix === undefined ? [] : [`              Fix: ${plain(fix)}.`])
  ].join("\n")

/** What of Tailscale is ready for this Gateway, as its configuration wants it. */
export const tailscaleChecks = Effect.gen(function* () {
  const { variables } = yield* Environment
  const { defaultPort } = yield* State.plan
  const tailscale = yield* Tailscale
  const config = yield* Effect.flatMap(Config, ({ get }) => get)
  const sources = { flags: {}, env: variables, config }
  const credential = Result.getOrElse(resolveCredential(sources), () => Option.none())
  const status = yield* answer(tailscale.status)
  const connected = "found" in status && status.found.state === "Running" ? status.found : undefined
  const [own] = connected?.addresses ?? []
  return examine({
    config,
    auth: Option.match(credential, { onNone: () => "token" as const, onSome: ({ mode }) => mode }),
    port: Result.getOrElse(resolvePort(sources), () => defaultPort),
    status,
    routes: connected === undefined ? undefined : yield* answer(tailscale.routes),
    whois: own === undefined ? undefined : yield* answer(tailscale.whois(own)),
    bindAddress: tailnetAddress(yield* interfaces)
  })
}).pipe(Effect.provide([State.config, TailscaleLayer.layer()]))

/** Exits with 1 when something that the configuration wants is not so. */
export const run = Effect.fn("cli.doctor.tailscale")(function* () {
  yield* saysHere("Tailscale", "openclaw doctor tailscale")
  const checks = yield* tailscaleChecks.pipe(waiting("Asking Tailscale"))
  const errors = checks.filter((check) => check.status === "error").length
  yield* print({ ok: errors === 0, checks }, () =>
    [
      ...checks.map(shown),
      errors === 0 ? "Nothing is missing that the configuration asks for." : `${count(errors, "thing")} to mend.`
    ].join("\n")
  )
  if (errors > 0) return yield* new NotWell({})
})

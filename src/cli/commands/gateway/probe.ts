import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { NotWell, tell } from "../../errors.ts"
import { target } from "../../gateway.ts"
import { fields, print } from "../../output.ts"
import { capabilityInWords, capabilityOf, probe } from "../../probe.ts"

/** Enough to look around, where a device is known by its identity. */
const PROBE_SCOPES = ["operator.read"] as const

/** Exit code 1 when no connection came about. */
export const run = Effect.fn("cli.gateway.probe")(function* (flags: { readonly timeout: number }) {
  const { endpoint, source } = yield* target
  const started = yield* Clock.currentTimeMillis
  const found = yield* probe({ mode: "probe", scopes: PROBE_SCOPES, timeoutMs: flags.timeout }, () => Effect.void)
  const ts = yield* Clock.currentTimeMillis
  const common = { ts, durationMs: ts - started, timeoutMs: flags.timeout, url: endpoint, urlSource: source }
  if (!found.ok) {
    yield* print({ ok: false, ...common, refused: found.refused, error: found.error }, () =>
      fields([
        ["Target", `${endpoint} (${source})`],
        ["Reachable", found.refused ? "yes, but it refused the connection" : "no"]
      ])
    )
    yield* tell(found.error.message)
    return yield* new NotWell({})
  }
  const { hello, latencyMs } = found
  const capability = capabilityOf(hello)
  yield* print(
    {
      ok: true,
      ...common,
      capability,
      connect: { ok: true, latencyMs },
      auth: { role: hello.auth.role, scopes: hello.auth.scopes },
      server: hello.server,
      protocol: hello.protocol
    },
    () =>
      fields([
        ["Target", `${endpoint} (${source})`],
        ["Reachable", `yes (${latencyMs}ms)`],
        ["Capability", capabilityInWords(hello, PROBE_SCOPES, "probe")],
        ["Version", hello.server.version],
        ["Protocol", String(hello.protocol)]
      ])
  )
})

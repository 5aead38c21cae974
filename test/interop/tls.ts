/**
 * Each program's Gateway over TLS with the certificate that it made for itself, and the other's command line that knows it by
 * its fingerprint.
 */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { servedCertificate } from "../../src/client/pinnedSocket.ts"
import { parse } from "../../src/domain/Endpoint.ts"
import * as Child from "../crash/Child.ts"
import * as Command from "./Command.ts"
import { configure, environment, freePort, type Ground, home, type Program, SECRET } from "./ground.ts"
import { differs, type Results } from "./Results.ts"
import { until } from "./Side.ts"

/** A Gateway until the scope closes; where it is, and the certificate that it shows. */
const start = Effect.fnUntraced(function* (ground: Ground, { entry, name }: Program) {
  const port = yield* freePort
  const at = home(ground, `${name}-tls`)
  const auth = { mode: "token", token: SECRET }
  configure(at, { gateway: { mode: "local", bind: "loopback", port, auth, tls: { enabled: true } } })
  yield* Child.start({
    name: `${name} gateway over TLS`,
    args: [entry, "gateway", "run", "--port", String(port)],
    env: environment(at),
    log: Path.join(ground.dir, `${name}-tls.log`)
  })
  const endpoint = Result.getOrThrow(parse(`wss://127.0.0.1:${port}`, "the run"))
  const shown = Effect.orElseSucceed(servedCertificate(endpoint), () => undefined)
  return { endpoint, fingerprint: yield* until(`${name} Gateway speaks TLS`, shown, 90) }
})

const health = Effect.fnUntraced(function* (ground: Ground, client: Program, url: string, tlsFingerprint: string) {
  const at = home(ground, `${client.name}-tls-client-${tlsFingerprint.slice(0, 8)}`)
  configure(at, { gateway: { mode: "remote", remote: { url, token: SECRET, tlsFingerprint } } })
  return yield* Command.run({
    program: process.execPath,
    args: [client.entry, "gateway", "health"],
    env: environment(at),
    cwd: at
  })
})

const pair = Effect.fnUntraced(function* (ground: Ground, results: Results, client: Program, gateway: Program) {
  const name = `${client.name === "ours" ? "our" : "their"} CLI, ${gateway.name === "ours" ? "our" : "their"} Gateway`
  yield* results.step(
    name,
    "TLS by fingerprint",
    Effect.scoped(
      Effect.gen(function* () {
        const { endpoint, fingerprint } = yield* start(ground, gateway)
        const right = yield* until(
          "an answer over TLS",
          Effect.map(health(ground, client, endpoint, fingerprint), (ended) => (ended.code === 0 ? ended : undefined)),
          90
        )
        if (!/OK/.test(right.stdout)) return yield* differs(right.stdout)
        const wrong = yield* health(ground, client, endpoint, "ab".repeat(32))
        const said = `${wrong.stdout}\n${wrong.stderr}`
        if (wrong.code === 0 || !/fingerprint|certificate/i.test(said)) return yield* differs(`another one: ${said}`)
        return undefined
      })
    )
  )
})

export const run = Effect.fnUntraced(function* (ground: Ground, results: Results) {
  yield* pair(ground, results, ground.theirs, ground.ours)
  yield* pair(ground, results, ground.ours, ground.theirs)
})

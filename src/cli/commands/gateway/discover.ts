import * as Effect from "effect/Effect"
import { type Beacon, beaconJson, discovered, problemsOf } from "../../discovery.ts"
import { tell } from "../../errors.ts"
import { count, fields, plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"

const shown = ({ addresses, displayName, domain, host, port, txt, wsUrl }: Beacon): string =>
  [
    `- ${plain(displayName)} (${domain})`,
    ...fields([
      ["host", `${host}:${port}`],
      ["addresses", addresses.join(", ")],
      ["ws", wsUrl],
      ["tls", txt.gatewayTls === undefined ? undefined : (txt.gatewayTlsSha256 ?? "enabled")],
      ["reachable", txt.gatewayDirectReachable === undefined ? "on its own machine only; through SSH" : "directly"],
      ["tailnet", txt.tailnetDns],
      ["ssh", txt.sshPort === undefined ? undefined : `port ${txt.sshPort}`]
    ])
      .split("\n")
      .map((line) => `  ${line}`)
  ].join("\n")

/** Exit code 0 also when there is none: that is an answer too. */
export const run = Effect.fn("cli.gateway.discover")(function* ({ timeout }: { readonly timeout: number }) {
  const { beacons, domains, problems } = yield* discovered(timeout).pipe(waiting("Looking for Gateways"))
  yield* print(
    {
      timeoutMs: timeout,
      domains,
      count: beacons.length,
      beacons: beacons.map(beaconJson),
      problems: problemsOf(problems)
    },
    () =>
      [
        `Found ${count(beacons.length, "Gateway")} in ${domains.join(", ")}`,
        ...beacons.map(shown),
        ...(beacons.length === 0
          ? []
          : [
              "",
              "Anybody on the network can say such things: compare the fingerprint on the Gateway's own machine",
              "(`openclaw status`) before you trust it. Nothing was sent to these Gateways."
            ])
      ].join("\n")
  )
  for (const problem of problemsOf(problems)) yield* tell(`Warning: ${problem}`)
})

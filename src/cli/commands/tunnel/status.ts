import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { all, type Found } from "../../../client/tunnel/sharedLook.ts"
import { NotWell } from "../../errors.ts"
import { duration, lines, print, shortId, table } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { foundDocument } from "./show.ts"
import { targetOf } from "./spec.ts"

const isUp = ({ how, status }: Found) => how === "held" && status.state._tag === "Up"

const HEADER = ["TARGET", "STATE", "NEAR END", "UP FOR", "ROUND TRIP", "RECONNECTS", "PID", "GATEWAY"]

const row = (found: Found, now: number): ReadonlyArray<string> => {
  const { pid, reconnects, remotePort, state, target } = found.status
  const up = isUp(found) && state._tag === "Up" ? state : undefined
  return [
    `${target} (${remotePort})`,
    found.how === "silent" ? "silent" : state._tag.toLowerCase(),
    `127.0.0.1:${found.status.localPort}`,
    up === undefined ? "-" : duration(now - up.since),
    up === undefined ? "-" : `${up.roundTripMs} ms`,
    String(reconnects),
    found.how === "stopped" ? "-" : String(pid),
    up?.gateway === undefined ? "-" : shortId(up.gateway)
  ]
}

const trouble = ({ how, status: { lastError, pid, state, target } }: Found): ReadonlyArray<string> => {
  if (how === "silent") {
    return [
      `${target}: pid ${pid} holds it and does not answer.\nFix: \`openclaw tunnel down ${target}\`, then up again.`
    ]
  }
  if (state._tag === "Up") return []
  const error = state.error ?? lastError?.error
  return error === undefined ? [] : [`${target}: ${error.message}`]
}

/** Exit code 1 where one of the tunnels is not up, or the one that is asked for is not there. */
export const run = Effect.fn("cli.tunnel.status")(function* (flags: { readonly target: Option.Option<string> }) {
  const target = Option.isSome(flags.target) ? yield* targetOf(flags.target) : undefined
  const found = (yield* all.pipe(waiting("Asking the tunnels"))).filter(
    ({ status }) => target === undefined || status.target === target
  )
  const now = yield* Clock.currentTimeMillis
  const ok = found.every(isUp) && (target === undefined || found.length > 0)
  yield* print({ ok, tunnels: found.map(foundDocument) }, () =>
    found.length === 0
      ? `No tunnel${target === undefined ? "" : ` to ${target}`} is kept here; \`openclaw tunnel up\` keeps one.`
      : [
          table(
            HEADER,
            found.map((one) => row(one, now))
          ),
          ...found.flatMap(trouble).map(lines)
        ].join("\n")
  )
  if (!ok) return yield* new NotWell({})
}, Effect.provide(State.stateDir))

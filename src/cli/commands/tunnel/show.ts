/**
 * How tunnels are shown.
 */
import * as Option from "effect/Option"
import type { Found } from "../../../client/tunnel/sharedLook.ts"
import type { TunnelError, TunnelState } from "../../../services/TunnelManager.ts"
import { count, duration, plain, shortId } from "../../output.ts"

const firstLine = (error: TunnelError): string => error.message.split("\n", 1)[0] ?? ""

/** An error as the errors of commands are shown. */
const described = (error: TunnelError) => ({ name: error._tag, message: error.message })

/** Optional fields are left out where there is nothing to say. */
export const stateDocument = (state: TunnelState) => {
  switch (state._tag) {
    case "Up": {
      const { gateway, localPort, proven, roundTripMs, since } = state
      return {
        state: "up",
        since,
        localPort,
        roundTripMs,
        ...(gateway === undefined ? undefined : { gateway, proven: proven === true })
      }
    }
    case "Waiting":
      return { state: "waiting", delayMs: state.delayMs, error: described(state.error) }
    case "Connecting":
      return { state: "connecting", ...(state.error === undefined ? undefined : { error: described(state.error) }) }
    case "Stopped":
      return { state: "stopped", error: described(state.error) }
  }
}

/** A tunnel as `openclaw tunnel status --json` gives it; times are Unix milliseconds. */
export const foundDocument = ({ how, status }: Found) => {
  const {
    heldSince,
    hostKeyPolicy,
    identityFile,
    lastError,
    localPort,
    pid,
    program,
    reconnects,
    remotePort,
    state,
    target
  } = status
  return {
    target,
    localPort,
    remotePort,
    ...(identityFile === undefined ? undefined : { identityFile }),
    hostKeyPolicy,
    ...(how === "silent" ? { state: "silent" } : stateDocument(state)),
    generation: state.generation,
    reconnects,
    ...(how === "stopped" ? undefined : { pid, program, heldSince }),
    ...(lastError === undefined ? undefined : { lastError: { at: lastError.at, ...described(lastError.error) } })
  }
}

/** One line on where a tunnel stands. */
export const inWords = (state: TunnelState, now: number): string => {
  switch (state._tag) {
    case "Up": {
      const who = state.gateway === undefined ? [] : [`Gateway ${shortId(state.gateway)}`]
      return [
        `up ${duration(now - state.since)}`,
        `127.0.0.1:${state.localPort}`,
        `${state.roundTripMs} ms`,
        ...who
      ].join(", ")
    }
    case "Connecting":
      return state.error === undefined ? "connecting" : `connecting again: ${plain(firstLine(state.error))}`
    case "Waiting":
      return `waiting: ${plain(firstLine(state.error))}`
    case "Stopped":
      return `stopped: ${plain(firstLine(state.error))}`
  }
}

/** What its holder adds. */
export const addition = (found: Option.Option<Found>, ownPid: number): string =>
  Option.match(found, {
    onNone: () => "",
    onSome: ({ status }) => {
      const held = status.pid === ownPid ? [] : [`held by pid ${status.pid}`]
      const parts = [...(status.reconnects === 0 ? [] : [count(status.reconnects, "reconnect")]), ...held]
      return parts.map((part) => `, ${part}`).join("")
    }
  })

/**
 * What the owner of a node hears of its tunnel: that it stands, and once each time that it does not, and why.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Tunnel, TunnelState } from "../../../services/TunnelManager.ts"

export interface TunnelNotice {
  readonly _tag: "TunnelUp" | "TunnelDown"
  readonly message: string
  readonly target: string
}

const firstLine = (text: string): string => text.slice(0, `${text}\n`.indexOf("\n"))

/** The notice of a state, if it says anything new after the one before. */
export const noticeOf = (
  target: string,
  state: TunnelState,
  before: TunnelNotice | undefined
): TunnelNotice | undefined => {
  const of = (_tag: TunnelNotice["_tag"], message: string): TunnelNotice | undefined =>
    before?._tag === _tag && (_tag === "TunnelUp" || before.message === message) ? undefined : { _tag, message, target }
  switch (state._tag) {
    case "Up":
      return of("TunnelUp", `the tunnel to ${target} stands`)
    case "Connecting":
    case "Waiting":
      return state.error === undefined
        ? undefined
        : of("TunnelDown", `the tunnel to ${target} is down: ${firstLine(state.error.message)}`)
    case "Stopped":
      // Whoever runs the node is told the whole reason when it ends.
      return undefined
  }
}

/** Tells of a tunnel for as long as it is kept. */
export const tellOf = (
  { spec, state }: Tunnel,
  tell: (notice: TunnelNotice) => Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    let before: TunnelNotice | undefined
    return Stream.runForEach(SubscriptionRef.changes(state), (now) => {
      const notice = noticeOf(spec.target, now, before)
      if (notice === undefined) return Effect.void
      before = notice
      return tell(notice)
    })
  })

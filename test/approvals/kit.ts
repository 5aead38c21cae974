/** What the tests of approvals share. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as GatewayTest from "../../src/testing/GatewayTest.ts"

export const plan = {
  argv: ["/usr/bin/uname", "-s"],
  cwd: "/",
  commandText: "/usr/bin/uname -s",
  commandPreview: null,
  agentId: "main",
  sessionKey: "agent:main:main"
}

/** Somebody who is told of approvals; `seen` are the events about them. */
export const decider = Effect.fnUntraced(function* (kit: GatewayTest.GatewayTest["Service"]) {
  const client = yield* kit.connect({ caps: ["approvals"] })
  const seen: Array<{ readonly name: string; readonly payload: Readonly<Record<string, unknown>> }> = []
  yield* client.events.pipe(
    Stream.runForEach((event) =>
      Effect.sync(() => {
        if (event.event === "*" || !event.event.startsWith("exec.approval.")) return
        seen.push({ name: event.event, payload: event.payload as Readonly<Record<string, unknown>> })
      })
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  return { client, seen }
})

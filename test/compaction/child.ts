/**
 * A process that compacts a session and is killed by its parent. With `hang` its model never ends the summary; with `commit` it
 * says when the summary was committed; with `finish` it waits for what an earlier process left to do.
 */
import * as Fs from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const [stateDir, mode] = process.argv.slice(2) as [string, "hang" | "commit" | "finish"]
const print = (line: string) => Fs.writeSync(1, `${line}\n`)
const key = SessionKey.make("agent:main:main")

const summarising = (): ScriptedModel.ScriptStep => {
  print("summarising")
  return { text: "the summary", ...(mode === "hang" ? { gate: Effect.never } : undefined) }
}
const script: ScriptedModel.Script = mode === "finish" ? [summarising] : [{ text: "one" }, { text: "two" }, summarising]

const program = Effect.gen(function* () {
  const turns = yield* Turns
  const sessions = yield* Sessions
  const changes = yield* sessions.changes
  const submit = (id: string, text: string, compact?: { readonly quiet: true }) =>
    turns.submit({
      runId: RunId.make(id),
      sessionKey: key,
      agentId: "main",
      text,
      receivedAt: 1,
      ...(compact === undefined ? undefined : { compact })
    })
  if (mode !== "finish") {
    for (const [id, text] of [
      ["r1", "first"],
      ["r2", "second"]
    ] as const) {
      yield* submit(id, text)
      yield* turns.await(RunId.make(id), key)
    }
    yield* submit("c1", "/compact", { quiet: true })
    const compacted = PubSub.take(changes).pipe(Effect.repeat({ until: ({ reason }) => reason === "compact" }))
    yield* compacted
    yield* sessions.stored
    print("committed")
    return yield* Effect.never
  }
  const { compaction, status } = yield* turns.await(RunId.make("c1"), key)
  const { entries, summary } = yield* sessions.context(key, 100)
  const { messages } = yield* sessions.page(key, { limit: 100 })
  const row = yield* sessions.describe(key)
  print(
    `outcome ${JSON.stringify({
      status,
      compacted: compaction?.compacted,
      summary,
      since: entries.map(({ message }) => message.role),
      all: messages.map(({ role }) => role),
      total: row?.totalTokens === compaction?.tokensAfter
    })}`
  )
}).pipe(
  Effect.scoped,
  Effect.provide(
    GatewayTest.layer({ stateDir, models: Layer.orDie(ScriptedModel.layer(script)) }).pipe(
      Layer.provide(NodeServices.layer)
    )
  )
)

Effect.runFork(program)

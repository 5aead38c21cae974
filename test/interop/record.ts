/**
 * The same scripted client at both Gateways, every frame written down, and the shapes of what came back compared.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Rig from "../gateway/rig.ts"
import type { Ground } from "./ground.ts"
import { differs, type Results } from "./Results.ts"
import { difference, shapeOf } from "./shape.ts"
import { answerTo, introduce, operator, type Side, until } from "./Side.ts"

interface Sent {
  readonly method: string
  readonly params: object
}

const key = "agent:main:main"

/** Before the turn, then what shows it. */
const before: ReadonlyArray<Sent> = [
  { method: "health", params: {} },
  { method: "status", params: {} },
  { method: "system-presence", params: {} },
  { method: "last-heartbeat", params: {} },
  { method: "system.info", params: {} },
  { method: "gateway.identity.get", params: {} },
  { method: "agents.list", params: {} },
  { method: "agent.identity.get", params: {} },
  { method: "models.list", params: {} },
  { method: "models.authStatus", params: {} },
  { method: "commands.list", params: {} },
  { method: "tools.catalog", params: {} },
  { method: "config.get", params: {} },
  { method: "channels.status", params: {} },
  { method: "node.list", params: {} },
  { method: "node.pair.list", params: {} },
  { method: "device.pair.list", params: {} },
  { method: "exec.approval.list", params: {} },
  { method: "exec.approvals.get", params: {} },
  { method: "voicewake.get", params: {} },
  { method: "talk.config", params: {} },
  { method: "update.status", params: {} },
  { method: "logs.tail", params: { limit: 5 } },
  { method: "sessions.subscribe", params: {} },
  { method: "sessions.messages.subscribe", params: { key } },
  { method: "chat.startup", params: { sessionKey: key } }
]

const after: ReadonlyArray<Sent> = [
  { method: "chat.history", params: { sessionKey: key } },
  { method: "chat.metadata", params: { sessionKey: key } },
  { method: "sessions.list", params: {} },
  { method: "sessions.describe", params: { key } },
  { method: "sessions.resolve", params: { key } },
  { method: "sessions.preview", params: { keys: [key] } },
  { method: "sessions.usage", params: {} },
  { method: "chat.inject", params: { sessionKey: key, message: "A note." } },
  { method: "sessions.patch", params: { key, label: "named" } },
  { method: "sessions.compact", params: { key } },
  { method: "sessions.reset", params: { key } },
  { method: "sessions.messages.unsubscribe", params: { key } },
  { method: "chat.abort", params: { sessionKey: key } },
  { method: "sessions.delete", params: { key: "agent:main:no-such-session" } },
  { method: "node.describe", params: { nodeId: "no-such-node" } },
  { method: "chat.send", params: {} },
  { method: "foo.bar", params: {} }
]

export interface Recording {
  readonly hello: unknown
  readonly answers: ReadonlyArray<readonly [method: string, frame: Rig.Frame]>
  readonly frames: ReadonlyArray<Rig.Frame>
}

const device = { client: { id: "openclaw-tui", version: "1.0.0", platform: "linux", mode: "ui" } }

const ended = (raw: Rig.Raw) =>
  until(
    "the turn ends",
    Effect.sync(() => raw.frames.find(({ event, payload }) => event === "chat" && payload.state === "final"))
  )

/** A session that has been used, and a Gateway that has looked at its own health: neither is told of at first. */
const warmUp = Effect.fnUntraced(function* (side: Side) {
  const raw = yield* operator(side, device, Rig.makeDevice())
  yield* answerTo(raw, "chat.send", { sessionKey: key, message: "hello", deliver: false, idempotencyKey: "i-0" })
  yield* ended(raw)
  yield* until(
    "health is known",
    Effect.map(Effect.scoped(introduce(side)), ({ answer }) =>
      answer.payload?.snapshot?.health?.ok === true ? true : undefined
    ),
    90
  )
}, Effect.scoped)

const record = Effect.fnUntraced(function* (side: Side) {
  yield* warmUp(side)
  const answers: Array<readonly [string, Rig.Frame]> = []
  const raw = yield* operator(side, { ...device, caps: ["approvals", "tool-events"] }, Rig.makeDevice())
  const hello = raw.frames.find(({ type }) => type === "res")?.payload as unknown
  const send = ({ method, params }: Sent) =>
    Effect.map(answerTo(raw, method, params), (frame) => void answers.push([method, frame]))
  yield* Effect.forEach(before, send)
  const turn = {
    method: "chat.send",
    params: { sessionKey: key, message: "hello", deliver: false, idempotencyKey: "i-1" }
  }
  yield* send(turn)
  yield* ended(raw)
  yield* send(turn)
  yield* Effect.forEach(after, send)
  return { hello, answers, frames: raw.frames } satisfies Recording
}, Effect.scoped)

const eventsOf = ({ frames }: Recording, name: string) =>
  frames.filter(({ event }) => event === name).map(({ payload }) => payload as unknown)

/** A step for each answer and each kind of event; the frames of both go into `to`. */
export const run = Effect.fnUntraced(function* (
  ground: Ground,
  results: Results,
  [ours, theirs]: readonly [Side, Side],
  to: string
) {
  Fs.mkdirSync(to, { recursive: true })
  const one = (side: Side) =>
    Effect.tap(record(side), ({ frames }) =>
      Effect.sync(() =>
        Fs.writeFileSync(
          Path.join(to, `${side.name}.jsonl`),
          frames.map((frame) => `${JSON.stringify(frame).replaceAll(ground.dir, "<dir>")}\n`).join("")
        )
      )
    )
  const recordings = yield* Effect.exit(Effect.all([one(ours), one(theirs)], { concurrency: 2 }))
  if (recordings._tag === "Failure") {
    yield* results.step("recording", "both", recordings)
    return
  }
  const [here, there] = recordings.value
  const step = (name: string, theirValues: ReadonlyArray<unknown>, ourValues: ReadonlyArray<unknown>) =>
    results.step(
      "recording",
      name,
      Effect.suspend(() => {
        const lines = difference(shapeOf(...theirValues), shapeOf(...ourValues))
        return lines.length === 0 ? Effect.void : Effect.fail(differs(...lines))
      })
    )
  yield* step("hello-ok", [there.hello], [here.hello])
  for (const [index, [method, answer]] of there.answers.entries()) {
    const other = here.answers[index]?.[1]
    const outcome = ({ error, ok, payload }: Rig.Frame) =>
      ok === true ? { payload } : { error: { ...error, [`is ${error?.code}`]: 1 } }
    yield* step(`${index + 1} ${method}`, [outcome(answer)], other === undefined ? [] : [outcome(other)])
  }
  const names = new Set([...there.frames, ...here.frames].flatMap(({ event }) => event ?? []))
  for (const name of [...names].sort()) yield* step(`event ${name}`, eventsOf(there, name), eventsOf(here, name))
})

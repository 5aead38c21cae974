/** Who writes a summary, in how many calls, and how much is kept. */
import { assert, describe, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { compactSession, type CompactionRequest, roomOf } from "../../src/layers/agent/compaction/compact.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { Models, ModelUnavailable, type ResolvedModel } from "../../src/services/Models.ts"
import type { Compacted, Sessions } from "../../src/services/Sessions.ts"
import { type TracingShape, untraced } from "../../src/services/Tracing.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const words = "x".repeat(800)
const entries = ["one", "two", "three", "four"].map((name, index) => ({
  seq: index + 1,
  message: { role: index % 2 === 0 ? "user" : "assistant", content: `${name} ${words}` }
}))

const attempt = Effect.fnUntraced(function* (options: {
  readonly compaction?: NonNullable<NonNullable<OpenClawConfig["agents"]>["defaults"]>["compaction"]
  readonly request?: Partial<CompactionRequest>
  readonly model?: Partial<ResolvedModel>
  readonly resolve?: Models["Service"]["resolve"]
}) {
  const scripted = yield* (yield* Models).resolve()
  const committed: Array<Compacted> = []
  const sessions = {
    context: () => Effect.succeed({ sessionId: "s", since: 0, summary: undefined, entries }),
    compact: (_: SessionKey, compacted: Compacted) => Effect.sync(() => void committed.push(compacted))
  }
  const asked: Array<ReadonlyArray<unknown>> = []
  const models = {
    resolve: (ref?: string, agentId?: string) => {
      asked.push([ref, agentId])
      return options.resolve?.(ref, agentId) ?? Effect.succeed({ ...scripted, model: "other" })
    },
    defaultRef: Effect.undefined
  }
  const compaction = options.compaction
  const spans: Array<unknown> = []
  const tracing: TracingShape = {
    span: (name, { attributes }, use) => {
      spans.push([name, attributes])
      return use(untraced)
    }
  }
  const outcome = yield* compactSession(
    // Nothing else of a session is looked at.
    { models, sessions: sessions as unknown as Sessions["Service"], tracing },
    {
      sessionKey: SessionKey.make("agent:work:main"),
      agentId: "work",
      runId: RunId.make("r"),
      model: { ...scripted, ...options.model },
      config: compaction === undefined ? {} : { agents: { defaults: { compaction } } },
      onStart: Effect.void,
      ...options.request
    }
  )
  return { outcome, committed: committed[0], asked, spans }
})
const calls = ScriptedModel.ScriptedModel.use((model) => model.calls)
const textOf = (messages: ReadonlyArray<Prompt.Message> | undefined) => JSON.stringify(messages?.at(-1)?.content)
const script = (...steps: ScriptedModel.Script) => Effect.provide(ScriptedModel.layer(steps))
const summary = { text: "the summary", usage: { inputTokens: 5, outputTokens: 2 } }

describe("a summary", () => {
  it.effect("is written by the session's model, or by the one that is configured for summaries", () =>
    Effect.gen(function* () {
      const own = yield* attempt({})
      assert.deepStrictEqual(own.asked, [])
      assert.deepInclude(own.committed, { model: "model", provider: "scripted", through: 2, summary: "the summary" })
      const other = yield* attempt({ compaction: { model: "cheap/one" } })
      assert.deepStrictEqual(other.asked, [["cheap/one", "work"]])
      assert.strictEqual(other.committed?.model, "other")
      assert.deepStrictEqual(other.spans, [["model", { provider: "scripted", model: "other", summary: 1 }]])
      const none = new ModelUnavailable({ model: "x", reason: "missing-key", message: "There is no key for x." })
      const failed = yield* attempt({ compaction: { model: "x/y" }, resolve: () => Effect.fail(none) })
      assert.deepStrictEqual(failed.outcome, { compacted: false, failed: true, reason: "There is no key for x." })
      assert.isUndefined(failed.committed)
    }).pipe(script(summary, summary))
  )

  it.effect("is written by the next of the agent's models when the first cannot be asked", () =>
    Effect.gen(function* () {
      const scripted = yield* (yield* Models).resolve()
      const next = Effect.succeed({ ...scripted, ref: "next/model", provider: "next" })
      const { committed } = yield* attempt({ model: { next } })
      assert.strictEqual(committed?.provider, "next")
    }).pipe(script({ fail: new AiError.InternalProviderError({ description: "HTTP 500" }) }, summary))
  )

  it.effect("is written in several calls where the material is too long for one, each going on from the last", () =>
    Effect.gen(function* () {
      const { committed } = yield* attempt({ model: { contextWindow: 500 } })
      const asked = yield* calls
      assert.lengthOf(asked, 2)
      assert.include(textOf(asked[0]), "Person: one")
      assert.notInclude(textOf(asked[0]), "Assistant: two")
      assert.include(textOf(asked[1]), "The summary so far:\\nfirst half")
      assert.include(textOf(asked[1]), "Assistant: two")
      assert.deepInclude(committed, { summary: "the summary", usage: { inputTokens: 9, outputTokens: 3 } })
    }).pipe(script({ text: "first half", usage: { inputTokens: 4, outputTokens: 1 } }, summary))
  )

  it.effect("takes no more than a quarter of a small window", () =>
    Effect.gen(function* () {
      const { committed } = yield* attempt({ model: { contextWindow: 700 } })
      assert.match(committed?.summary ?? "", /^x{700}… \(100 more characters\)$/)
    }).pipe(script({ text: words }))
  )

  it.effect("leaves as much as is configured, and of its own accord never makes a session longer", () =>
    Effect.gen(function* () {
      const little = yield* attempt({ compaction: { keepRecentTokens: 100 } })
      assert.strictEqual(little.committed?.through, 4)
      const longer = yield* attempt({ request: { automatic: { keepTokens: 500 } } })
      assert.deepInclude(longer.outcome, { compacted: false, failed: true })
      assert.isUndefined(longer.committed)
    }).pipe(script(summary, { text: words.repeat(4) }))
  )

  it("is made before a quarter of a small window is left, or 20,000 tokens of a large one", () => {
    const windows = [8_000, 80_000, 200_000, undefined]
    const room = windows.map((contextWindow) =>
      roomOf({ ...(contextWindow === undefined ? undefined : { contextWindow }) } as ResolvedModel)
    )
    assert.deepStrictEqual(room, [6_000, 60_000, 180_000, undefined])
  })
})

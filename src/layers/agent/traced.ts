/**
 * A turn's calls, of its model and of its tools, as spans.
 */
import * as Effect from "effect/Effect"
import type { ResolvedModel } from "../../services/Models.ts"
import type { TracingShape } from "../../services/Tracing.ts"
import type { ModelReply } from "./modelStep.ts"
import type { makeAnswerer } from "./tools.ts"

type OnText = (text: string) => Effect.Effect<void>

/** One call of a model; the first word's time tells a slow provider from a long answer. `at`: which one of the turn's. */
export const modelSpan = (
  tracing: TracingShape,
  { model, provider }: ResolvedModel,
  at: { readonly step: number } | { readonly summary: number },
  onText: OnText,
  call: (onText: OnText) => Effect.Effect<ModelReply>
): Effect.Effect<ModelReply> =>
  tracing.span("model", { attributes: { provider, model, ...at } }, (span) =>
    Effect.flatMap(Effect.clockWith(Effect.succeed), (clock) => {
      const began = clock.monotonicTimeNanosUnsafe()
      let isFirst = true
      const noted: OnText = (text) => {
        if (isFirst) {
          isFirst = false
          span.annotate({ firstTextMs: Math.round(Number(clock.monotonicTimeNanosUnsafe() - began) / 1e6) })
        }
        return onText(text)
      }
      return Effect.tap(call(noted), (reply) =>
        Effect.sync(() => {
          span.annotate({
            inputTokens: reply.usage.inputTokens,
            outputTokens: reply.usage.outputTokens,
            finish: reply.finish,
            textChars: reply.text.length
          })
          if (reply.failure !== undefined) span.fail(reply.failure.tag)
        })
      )
    })
  )

type Answer = Effect.Success<ReturnType<typeof makeAnswerer>>

/** Answers each call of a tool in a span. A tool that there is not has a name of the model's making, which is not kept. */
export const toolSpan =
  (tracing: TracingShape, tools: Readonly<Record<string, unknown>>, answer: Answer): Answer =>
  (call, current) =>
    tracing.span(
      "tool",
      {
        attributes: {
          tool: Object.hasOwn(tools, call.name) ? call.name : "unknown",
          callId: call.id,
          ...(current.again ? { again: true } : undefined)
        }
      },
      (span) =>
        Effect.tap(answer(call, current), (outcome) =>
          Effect.sync(() => {
            span.annotate({ resultChars: outcome.text.length })
            if (outcome.isError) span.fail("ToolFailed")
          })
        )
    )

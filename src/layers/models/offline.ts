/**
 * `builtin/offline`: a small rule-driven assistant that needs no provider.
 *
 * It reads the user's text by fixed rules, asks the `nodes` tool which nodes there are, chooses one by name, platform or
 * capability, calls it, and phrases what came back. The same conversation always gets the same answer. It says plainly
 * that it is no language model when it is asked for more.
 */
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { withoutSpeaker } from "../agent/speaker.ts"
import { decodeNodeList } from "./offline/choose.ts"
import { readIntent, type Intent } from "./offline/intent.ts"
import { decodeAnswer, describeRun, describeState, describeWhich } from "./offline/phrase.ts"
import { needsNodes, planFor, QUESTION, type Plan, type ToolCall } from "./offline/plan.ts"

interface Done {
  readonly call: Prompt.ToolCallPart
  readonly result: Prompt.ToolResultPart
}

const textOf = (message: Prompt.Message): string =>
  typeof message.content === "string"
    ? message.content
    : message.content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n")

/** The user's words. An answer to a question of ours is read together with the words that led to the question. */
const request = (messages: ReadonlyArray<Prompt.Message>, last: number): string => {
  const text = withoutSpeaker(textOf(messages[last]!))
  const before = messages[last - 1]
  const earlier = messages.slice(0, last - 1).findLastIndex((message) => message.role === "user")
  const asked = before?.role === "assistant" && textOf(before).startsWith(QUESTION)
  return asked && earlier >= 0 && readIntent(text).kind === "unknown"
    ? `${request(messages, earlier)} on ${text}`
    : text
}

/** Tool calls since the user's last message that have a result. */
const doneSince = (messages: ReadonlyArray<Prompt.Message>, last: number): ReadonlyArray<Done> => {
  const parts = messages
    .slice(last + 1)
    .flatMap((message): ReadonlyArray<Prompt.Part> => (typeof message.content === "string" ? [] : message.content))
  const results = new Map(parts.flatMap((part) => (part.type === "tool-result" ? [[part.id, part] as const] : [])))
  return parts.flatMap((part) => {
    const result = part.type === "tool-call" ? results.get(part.id) : undefined
    return part.type === "tool-call" && result !== undefined ? [{ call: part, result }] : []
  })
}

const isList = ({ call }: Done): boolean =>
  call.name === "nodes" && Predicate.isObject(call.params) && "action" in call.params && call.params.action === "list"

const resultText = (done: Done): string =>
  typeof done.result.result === "string" ? done.result.result : JSON.stringify(done.result.result)

const argvText = (call: Prompt.ToolCallPart): string =>
  Predicate.isObject(call.params) && "argv" in call.params && Array.isArray(call.params.argv)
    ? call.params.argv.join(" ")
    : ""

const report = (intent: Intent, acts: ReadonlyArray<Done>): string => {
  const failed = acts.filter((done) => done.result.isFailure)
  if (failed.length > 0) return `That did not work: ${failed.map(resultText).join(" ")}`
  if (intent.kind === "send") return `Sent to ${intent.to}.`
  const answers = acts.flatMap((done) =>
    Option.toArray(Option.map(decodeAnswer(resultText(done)), (answer) => ({ ...answer, call: done.call })))
  )
  const first = answers[0]
  if (first === undefined) return `The answer was: ${acts.map(resultText).join("\n")}`
  if (intent.kind === "which") return describeWhich(first.node, intent.program, first.result)
  const runs = answers.filter((answer) => answer.command === "system.run")
  if (runs.length > 0) {
    return runs
      .map((answer) =>
        describeRun(answer.node, intent.kind === "run" ? intent.command : argvText(answer.call), answer.result)
      )
      .join("\n")
  }
  const facets = intent.kind === "state" ? intent.facets : (["status"] as const)
  return describeState(
    first.node,
    facets,
    answers.map((answer) => answer.result)
  )
}

const say = (text: string): Plan => ({ kind: "say", text })

/** What to do next, from the conversation and the tools on offer alone. */
export const next = (messages: ReadonlyArray<Prompt.Message>, tools: ReadonlyArray<string>): Plan => {
  const last = messages.findLastIndex((message) => message.role === "user")
  if (last < 0) return planFor({ kind: "abilities" }, [])
  const intent = readIntent(request(messages, last))
  const done = doneSince(messages, last)
  const acts = done.filter((entry) => !isList(entry))
  if (acts.length > 0) return say(report(intent, acts))
  const needed = needsNodes(intent) ? "nodes" : intent.kind === "send" ? "message" : undefined
  if (needed !== undefined && !tools.includes(needed)) {
    return say(`I would need the tool "${needed}" for that, and it is not on offer here.`)
  }
  if (needed !== "nodes") return planFor(intent, [])
  const listed = done.find(isList)
  if (listed === undefined) return { kind: "call", calls: [{ name: "nodes", params: { action: "list" } }] }
  if (listed.result.isFailure) return say(`I could not list the nodes: ${resultText(listed)}`)
  return Option.match(decodeNodeList(resultText(listed)), {
    onNone: () => say("I could not read the list of nodes."),
    onSome: ({ nodes }) => planFor(intent, nodes)
  })
}

const noUsage = { inputTokens: {}, outputTokens: {} } as (typeof Response.Usage)["Encoded"]

const callParts = (calls: ReadonlyArray<ToolCall>, step: number): ReadonlyArray<Response.ToolCallPartEncoded> =>
  calls.map((call, index) => ({
    type: "tool-call",
    id: `offline-${step}-${index + 1}`,
    name: call.name,
    params: call.params,
    providerExecuted: false
  }))

const planOf = (options: LanguageModel.ProviderOptions): Plan =>
  next(
    options.prompt.content,
    options.tools.map((tool) => tool.name)
  )

/** The assistant as a `LanguageModel`. */
export const make: Effect.Effect<LanguageModel.LanguageModel> = LanguageModel.make({
  generateText: (options) =>
    Effect.sync(() => {
      const plan = planOf(options)
      return plan.kind === "say"
        ? [
            { type: "text", text: plan.text },
            { type: "finish", reason: "stop", usage: noUsage }
          ]
        : [
            ...callParts(plan.calls, options.prompt.content.length),
            { type: "finish", reason: "tool-calls", usage: noUsage }
          ]
    }),
  streamText: (options) =>
    Stream.suspend(() => {
      const plan = planOf(options)
      const parts: ReadonlyArray<Response.StreamPartEncoded> =
        plan.kind === "say"
          ? [
              { type: "text-start", id: "0" },
              ...(plan.text.match(/\s*\S+\s*$|\s*\S+/g) ?? [plan.text]).map((delta): Response.StreamPartEncoded => ({
                type: "text-delta",
                id: "0",
                delta
              })),
              { type: "text-end", id: "0" },
              { type: "finish", reason: "stop", usage: noUsage }
            ]
          : [
              ...callParts(plan.calls, options.prompt.content.length),
              { type: "finish", reason: "tool-calls", usage: noUsage }
            ]
      // One part at a time: what is streamed is seen as it comes.
      return Stream.fromIterable(parts).pipe(Stream.rechunk(1))
    })
})

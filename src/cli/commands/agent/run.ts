import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { GatewayClient } from "../../../client/GatewayClient.ts"
import { randomId } from "../../../client/ids.ts"
import type { AgentEvent } from "../../../protocol/EventTable.ts"
import type { AgentFinished } from "../../../protocol/methods/chat.ts"
import { CommandFailed } from "../../errors.ts"
import { explainRemote, openWhole } from "../../gateway.ts"
import { lines, plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"

interface AgentFlags {
  readonly message: string | undefined
  readonly messageFile: string | undefined
  readonly sessionKey: string | undefined
  readonly sessionId: string | undefined
  readonly agent: string | undefined
  readonly to: string | undefined
  readonly replyTo: string | undefined
  readonly channel: string | undefined
  readonly replyChannel: string | undefined
  readonly account: string | undefined
  readonly deliver: boolean
  readonly model: string | undefined
  readonly thinking: string | undefined
  /** Seconds; 0 is no limit. */
  readonly timeout: number | undefined
}

const DEFAULT_SECONDS = 600
/** The Gateway ends the turn when its time is up; its answer may take this much longer, in seconds. */
const GRACE_SECONDS = 15

/** The message: given, or read. */
const messageOf = Effect.fnUntraced(function* ({ message, messageFile }: AgentFlags) {
  if ((message === undefined) === (messageFile === undefined)) {
    return yield* new CommandFailed({
      message: "what to say comes from one place.\nFix: pass --message or --message-file."
    })
  }
  if (messageFile === undefined) return message ?? ""
  if (messageFile === "-") {
    const { stdin } = yield* Stdio.Stdio
    return yield* Effect.mapError(
      Stream.mkString(Stream.decodeText(stdin)),
      (error) =>
        new CommandFailed({ message: `standard input cannot be read: ${error.message}.\nFix: pass --message.` })
    )
  }
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.mapError(
    fs.readFileString(messageFile),
    ({ reason }) =>
      new CommandFailed({
        message: `${plain(messageFile)} cannot be read: ${reason._tag}.\nFix: give the path of a text file.`
      })
  )
})

const check = (flags: AgentFlags, message: string): string | undefined => {
  if (message.trim() === "") return "the message is empty.\nFix: say something to the agent."
  if (/^\s*\/compact(?:\s|$)/i.test(message)) {
    return "/compact is a command of a chat; the agent would take it for a message.\nFix: run `openclaw sessions compact <key>`."
  }
  if (flags.sessionKey !== undefined && flags.sessionId !== undefined) {
    return "--session-key and --session-id both name a conversation.\nFix: give one of them."
  }
  return flags.deliver && flags.to === undefined && flags.replyTo === undefined
    ? "--deliver does not know where to.\nFix: add --to, such as --to telegram:123."
    : undefined
}

/** The key of the session that has this id. */
const keyOf = Effect.fnUntraced(function* (client: GatewayClient["Service"], sessionId: string) {
  const { sessions } = yield* client.call["sessions.list"]({ limit: 1000 })
  const found = sessions.find((session) => session.sessionId === sessionId)
  if (found !== undefined) return found.key
  return yield* new CommandFailed({
    message: `no session has the id ${plain(sessionId)}.\nFix: take one from \`openclaw sessions --json\`, or name it with --session-key.`
  })
})

/** What the turn is doing, in a few words; `undefined` for events that say nothing new. */
const doing = (event: AgentEvent): string | undefined => {
  const { data, stream } = event
  if (stream === "tool" && data["phase"] === "start" && Predicate.isString(data["name"]))
    return `Running ${data["name"]}`
  return stream === "assistant" ? "Writing" : undefined
}

/** Nobody waits for the turn any more, so it goes no further. Its conversation keeps what was said. */
const stopTurn = (
  client: GatewayClient["Service"],
  turn: { readonly runId: string; readonly sessionKey: string; readonly agentId: string | undefined }
) => {
  const { agentId, ...named } = turn
  return client.call["chat.abort"]({ ...named, ...(agentId === undefined ? undefined : { agentId }) }).pipe(
    Effect.timeout("3 seconds"),
    Effect.flatMap(({ aborted }) => (aborted ? Console.error("The turn was stopped.") : Effect.void)),
    Effect.ignore
  )
}

const textOf = (finished: AgentFinished): string =>
  (finished.result?.payloads ?? []).flatMap(({ text }) => (text === undefined || text === "" ? [] : [text])).join("\n")

/** Prints the reply's text, or with `--json` the final answer. A terminal shows on stderr what the turn is doing. */
export const run = Effect.fn("cli.agent")(function* (flags: AgentFlags) {
  const message = yield* messageOf(flags)
  const wrong = check(flags, message)
  if (wrong !== undefined) return yield* new CommandFailed({ message: wrong })
  const seconds = flags.timeout ?? DEFAULT_SECONDS
  const runId = randomId()
  let label = "Connecting"

  const turn = Effect.gen(function* () {
    // Choosing a model is an administrator's, at OpenClaw's Gateway too.
    const opened = yield* openWhole({
      scopes: [flags.model === undefined ? "operator.write" : "operator.admin"],
      timeoutMs: 10_000
    })
    const { client } = opened
    const sessionKey = flags.sessionId === undefined ? flags.sessionKey : yield* keyOf(client, flags.sessionId)
    label = "Thinking"
    yield* client.on("agent").pipe(
      Stream.filter((event) => event.runId === runId),
      Stream.runForEach((event) => Effect.sync(() => void (label = doing(event) ?? label))),
      // Progress only: whoever misses some of it misses nothing.
      Effect.ignore,
      Effect.forkScoped
    )
    const answers = client.call.agent(
      {
        message,
        idempotencyKey: runId,
        timeout: seconds,
        ...(sessionKey === undefined ? undefined : { sessionKey }),
        ...(flags.agent === undefined ? undefined : { agentId: flags.agent }),
        ...(flags.to === undefined ? undefined : { to: flags.to }),
        ...(flags.replyTo === undefined ? undefined : { replyTo: flags.replyTo }),
        ...(flags.channel === undefined ? undefined : { channel: flags.channel }),
        ...(flags.replyChannel === undefined ? undefined : { replyChannel: flags.replyChannel }),
        ...(flags.account === undefined ? undefined : { replyAccountId: flags.account }),
        ...(flags.deliver ? { deliver: true } : undefined),
        ...(flags.model === undefined ? undefined : { model: flags.model }),
        ...(flags.thinking === undefined ? undefined : { thinking: flags.thinking })
      },
      seconds === 0 ? {} : { timeout: `${seconds + GRACE_SECONDS} seconds` }
    )
    return yield* answers.pipe(
      Stream.runLast,
      explainRemote(opened),
      Effect.onInterrupt(() => stopTurn(client, { runId, sessionKey: sessionKey ?? "main", agentId: flags.agent }))
    )
  })

  const last = yield* Effect.scoped(turn).pipe(waiting(() => label))
  if (Option.isNone(last) || last.value.status === "accepted") {
    return yield* new CommandFailed({
      message:
        "the Gateway accepted the turn and did not say how it ended.\nFix: look at the conversation with `openclaw gateway call chat.history`."
    })
  }
  const finished = last.value
  yield* print(finished, () => lines(textOf(finished)))
  if (textOf(finished) === "") yield* Console.error("The agent sent no text.")
})

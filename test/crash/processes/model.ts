/**
 * The model, a process of its own: an OpenAI-compatible server that plays the script. It knows nothing but the request it
 * has before it. Prints a line once it listens; appends a line to its log for each request.
 *
 * Its parent tells it by message which requests to spoil: `{ "fault": "500" | "429" | "refuse" | "cut" , "times": n }`.
 */
import * as Fs from "node:fs"
import * as Http from "node:http"
import { eventsOf, type ProviderReply } from "../../../src/testing/provider/wire.ts"
import { answerOf, messageIn, stepsOf, toldBy, type Call } from "../script.ts"

const [port, log, effects] = process.argv.slice(2) as [string, string, string]
const logFile = Fs.openSync(log, "a", 0o600)

interface Message {
  readonly role: string
  readonly content?: unknown
  readonly tool_call_id?: string
}

type ModelFault = "500" | "429" | "refuse" | "cut"
const faults: Array<ModelFault> = []
process.on("message", ({ fault, times }: { readonly fault: ModelFault; readonly times: number }) => {
  faults.push(...Array.from({ length: times }, () => fault))
})
// Without its parent nobody would end it.
process.on("disconnect", () => process.exit(0))

const plain = (content: unknown): string =>
  typeof content === "string"
    ? content
    : Array.isArray(content)
      ? content.map((part: { readonly text?: string }) => part.text ?? "").join("\n")
      : ""

/** Appends one line to the record of side effects and says so. Small and slow enough to be hit in the middle. */
const program = 'sleep 0.02; printf "%s\\n" "$1" >> "$0"; printf "wrote %s." "$1"'

const argumentsOf = ({ effect, node }: Call): string =>
  JSON.stringify(
    node === "desk"
      ? { action: "run", node, argv: ["sh", "-c", program, `${effects}/desk`, effect] }
      : { action: "invoke", node, command: "counter.add", params: { effect } }
  )

/** What comes next in the conversation. */
const replyTo = (messages: ReadonlyArray<Message>): { readonly id: number; readonly reply: ProviderReply } => {
  const last = messages.findLastIndex(({ role }) => role === "user")
  const asked = messageIn(plain(messages[last]?.content))
  if (asked === undefined) return { id: 0, reply: { text: ["I have no line for that."] } }
  const { id, kind } = asked
  const steps = stepsOf(id, kind)
  const results = messages.slice(last + 1).filter(({ role }) => role === "tool")
  let done = 0
  for (const [index, calls] of steps.entries()) {
    if (done >= results.length) {
      const toolCalls = calls.map((call, at) => ({
        id: `c${id}-${index}-${at}`,
        name: "nodes",
        arguments: argumentsOf(call)
      }))
      return { id, reply: { toolCalls } }
    }
    done += calls.length
  }
  const told = steps.flat().map(({ effect }, index) => toldBy(plain(results[index]?.content), effect))
  const answer = answerOf(id, kind, told)
  const size = Math.ceil(answer.length / 5)
  return { id, reply: { text: Array.from({ length: 5 }, (_, at) => answer.slice(at * size, at * size + size)) } }
}

const spoil = (fault: ModelFault, response: Http.ServerResponse, events: ReadonlyArray<string>): void => {
  switch (fault) {
    case "500":
    case "429":
      response.writeHead(Number(fault), { "content-type": "application/json" })
      response.end(JSON.stringify({ error: { message: `spoilt with ${fault}` } }))
      return
    case "refuse":
      response.destroy()
      return
    case "cut":
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(events.slice(0, Math.ceil(events.length / 2)).join("\n\n") + "\n\n", () => response.destroy())
  }
}

const server = Http.createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const { messages } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
      readonly messages: ReadonlyArray<Message>
    }
    const { id, reply } = replyTo(messages)
    Fs.writeSync(logFile, `${JSON.stringify({ at: performance.timeOrigin + performance.now(), id })}\n`)
    const events = eventsOf("openai-chat", reply)
      .split("\n\n")
      .filter((event) => event !== "")
    const fault = faults.shift()
    if (fault !== undefined) return spoil(fault, response, events)
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.flushHeaders()
    // One chunk at a time, so that there is an instant between any two.
    const next = (at: number): void => {
      const event = events[at]
      if (event === undefined) return void response.end()
      // This process starts again all the time and so loads nothing, not even Effect.
      // @effect-diagnostics-next-line globalTimers:off
      response.write(`${event}\n\n`, () => void setTimeout(() => next(at + 1), 3))
    }
    next(0)
  })
})
server.keepAliveTimeout = 600_000
server.listen(Number(port), "127.0.0.1", () => process.stdout.write("ready\n"))

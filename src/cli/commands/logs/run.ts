import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { ConnectionClosed, GatewayUnreachable, HandshakeRejected, RequestTimeout } from "../../../client/errors.ts"
import type { LogsTail } from "../../../protocol/methods/host.ts"
import { Environment } from "../../Environment.ts"
import { describe } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { Json } from "../../globals.ts"
import { endsByStopping } from "../../lifetime.ts"
import { document, plain } from "../../output.ts"
import { type Filter, isShown, parseLine, showLine, type Style } from "./lines.ts"

/** A Gateway that went away is tried again so often, with so much time in between at most. */
const retrying = {
  times: 8,
  schedule: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])
}

/** What may be over in a moment: a Gateway that starts anew. */
const isPassing = (error: unknown): boolean =>
  error instanceof HandshakeRejected
    ? !error.terminal
    : error instanceof ConnectionClosed || error instanceof GatewayUnreachable || error instanceof RequestTimeout

interface Flags extends Filter {
  readonly follow: boolean
  readonly limit: number | undefined
  readonly maxBytes: number | undefined
  readonly interval: number | undefined
  readonly plain: boolean
  readonly utc: boolean
  readonly timeout: number
}

const CUT = "Log tail truncated (increase --limit or --max-bytes)."
const ANEW = "Log cursor reset (the file was turned over, or much came at once)."

const show = Effect.fnUntraced(function* (
  answer: LogsTail,
  first: boolean,
  json: boolean,
  style: Style,
  filter: Filter
) {
  const { cursor, file, lines, reset, size, truncated } = answer
  const notice = (message: string) =>
    json ? Console.log(document({ type: "notice", message }, "line")) : Console.error(message)
  if (first || reset === true) {
    yield* json
      ? Console.log(document({ type: "meta", file, sourceKind: "file", cursor, size }, "line"))
      : Console.log(`Log file: ${plain(file)}`)
  }
  if (!first && reset === true) yield* notice(ANEW)
  for (const raw of lines) {
    const line = parseLine(raw)
    if (!isShown(line, filter)) continue
    yield* Console.log(json ? document({ type: "log", ...line }, "line") : showLine(line, style))
  }
  if (truncated === true) yield* notice(CUT)
})

/** Prints `logs.tail`; with `--json` a document a line: `meta`, then `log` and `notice`. */
export const run = Effect.fn("cli.logs")(function* (flags: Flags) {
  const json = yield* Json
  const { terminal, variables } = yield* Environment
  const style: Style = {
    color: !flags.plain && terminal !== undefined && (variables["NO_COLOR"] ?? "") === "",
    utc: flags.utc
  }
  const look = (cursor: number | undefined) =>
    ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
      client.call["logs.tail"]({
        limit: flags.limit ?? 200,
        maxBytes: flags.maxBytes ?? 250_000,
        ...(cursor === undefined ? undefined : { cursor })
      })
    )
  const before = yield* look(undefined)
  yield* show(before, true, json, style, flags)
  if (!flags.follow) return
  yield* endsByStopping
  let cursor = before.cursor
  while (true) {
    yield* Effect.sleep(flags.interval ?? 1_000)
    let gone = false
    const answer = yield* look(cursor).pipe(
      Effect.tapError((error) => {
        gone = isPassing(error)
        return gone ? Console.error(`${describe(error).message.split("\n", 1)[0]} It is tried again.`) : Effect.void
      }),
      Effect.retry({ ...retrying, while: isPassing })
    )
    if (gone) yield* Console.error("The Gateway is back.")
    yield* show(answer, false, json, style, flags)
    cursor = answer.cursor
  }
})

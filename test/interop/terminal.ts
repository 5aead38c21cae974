/**
 * OpenClaw's terminal UI in tmux: open, send, see the reply.
 */
import * as Effect from "effect/Effect"
import * as Command from "./Command.ts"
import { ANSWER, environment, type Ground, home, SECRET } from "./ground.ts"
import { type Results, Skipped } from "./Results.ts"
import { note, type Side, until } from "./Side.ts"

export const run = Effect.fnUntraced(function* (ground: Ground, results: Results, side: Side) {
  const client = side.name === "ours" ? "their TUI" : "baseline TUI"
  const at = home(ground, `tui-${side.name}`)
  const env = { ...environment(at), TERM: "xterm-256color", TMUX_TMPDIR: `${at}/tmp` }
  const tmux = (...args: ReadonlyArray<string>) =>
    Command.run({ program: "tmux", args: ["-L", "interop", "-f", "/dev/null", ...args], env })
  const has = yield* Command.run({ program: "sh", args: ["-c", "command -v tmux"], env })
  if (has.code !== 0) {
    yield* results.step(client, "open, send, reply", Effect.fail(new Skipped({ message: "no tmux on this machine" })))
    return
  }
  const screen = Effect.map(tmux("capture-pane", "-p", "-t", "interop"), ({ stdout }) => stdout)
  const sees = (what: string, seconds: number, test: (text: string) => boolean) =>
    until(
      what,
      Effect.map(screen, (text) => (test(text) ? text : undefined)),
      seconds
    ).pipe(Effect.tapError(() => Effect.map(screen, (text) => note(ground, `tui-${side.name}.txt`, text))))
  const shell = [process.execPath, ground.theirs.entry, "tui", "--url", side.url, "--token", SECRET]
    .map((word) => `'${word}'`)
    .join(" ")
  yield* Effect.acquireRelease(
    tmux("new-session", "-d", "-s", "interop", "-x", "140", "-y", "45", `${shell}; echo ended; sleep 60`),
    () => Effect.ignore(tmux("kill-server"))
  )
  const opened = yield* results.step(
    client,
    "open",
    sees("it is connected and idle", 60, (text) => /connected|idle/i.test(text) && !/connecting/i.test(text))
  )
  if (!opened) return
  yield* results.step(
    client,
    "send, the reply is seen",
    Effect.gen(function* () {
      const question = "What says the script?"
      yield* tmux("send-keys", "-t", "interop", "-l", question)
      yield* sees("what was typed", 20, (text) => text.includes(question))
      yield* tmux("send-keys", "-t", "interop", "Enter")
      yield* sees("the reply", 60, (text) => text.includes(ANSWER.join("")))
    })
  )
  yield* results.step(
    client,
    "no error on the screen",
    sees(
      "a screen without errors",
      5,
      (text) => !/unknown method|missing scope|send failed|subscription failed/i.test(text)
    )
  )
}, Effect.scoped)

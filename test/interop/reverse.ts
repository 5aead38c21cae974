/**
 * Our command line with OpenClaw's Gateway: each command ends with 0 and, with `--json`, with JSON.
 */
import * as Effect from "effect/Effect"
import * as Command from "./Command.ts"
import { ANSWER, configure, environment, type Ground, home, SECRET } from "./ground.ts"
import { differs, type Results } from "./Results.ts"
import { note, operator, pendingOf, type Side, startNode } from "./Side.ts"

interface Line {
  readonly words: string
  readonly code?: number
  readonly shows?: RegExp
}

const lines: ReadonlyArray<Line> = [
  { words: "gateway health --json" },
  { words: "gateway health", shows: /OK/i },
  { words: "gateway status --json" },
  { words: "gateway probe --json" },
  { words: "gateway call health --json" },
  { words: "gateway call sessions.list --json" },
  { words: "gateway call foo.bar --json", code: 1, shows: /unknown method: foo\.bar/ },
  { words: "health --json" },
  { words: "health" },
  { words: "status --json" },
  { words: "status" },
  { words: "status --deep --json" },
  { words: "nodes pending --json", shows: /loft/ },
  { words: "nodes approve <request> --json" },
  { words: "nodes list --json", shows: /loft/ },
  { words: "nodes status --json", shows: /loft/ },
  { words: "nodes status", shows: /loft/ },
  { words: "nodes describe --node loft --json", shows: /system\.run/ },
  { words: 'nodes invoke --node loft --command system.which --params {"bins":["sh"]} --json', shows: /\/sh"/ },
  { words: "nodes describe --node no-such-node", code: 1 },
  { words: "devices list --json" },
  { words: "devices list" },
  { words: "channels status --json" },
  { words: "agent --message hello --agent main", shows: new RegExp(ANSWER.join("")) },
  { words: "agent --message hello --agent main --json", shows: new RegExp(ANSWER.join("")) },
  { words: "sessions --json", shows: /agent:main:main/ },
  { words: "gateway health --token wrong", code: 1, shows: /mismatch|credential|token/i }
]

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

export const run = Effect.fnUntraced(function* (ground: Ground, results: Results, side: Side) {
  const client = side.name === "theirs" ? "our CLI" : "our CLI, baseline"
  const at = home(ground, `our-cli-${side.name}`)
  configure(at, { gateway: { mode: "local", port: side.port, auth: { mode: "token", token: SECRET } } })
  yield* startNode(ground, ground.theirs, side, "loft")
  const raw = yield* operator(side)
  const { requestId } = yield* pendingOf(raw, "loft")
  yield* Effect.forEach(lines, ({ code = 0, shows, words }) =>
    results.step(
      client,
      words,
      Effect.gen(function* () {
        const ended = yield* Command.run({
          program: process.execPath,
          args: [ground.ours.entry, ...words.replace("<request>", requestId).split(" ")],
          env: environment(at)
        })
        note(ground, `our-cli-${words}-${side.name}.txt`, `${ended.code}\n${ended.stdout}\n--- stderr\n${ended.stderr}`)
        const said = `${ended.stdout}\n${ended.stderr}`.trim()
        if (ended.code !== code) {
          return yield* Effect.fail(differs(`exit code ${ended.code} for ${code}: ${said.slice(-400)}`))
        }
        if (words.includes("--json") && !isJson(ended.stdout)) {
          return yield* Effect.fail(differs(`no JSON: ${said.slice(0, 300)}`))
        }
        if (shows !== undefined && !shows.test(said)) {
          return yield* Effect.fail(differs(`does not show ${String(shows)}: ${said.slice(0, 300)}`))
        }
      })
    )
  )
}, Effect.scoped)

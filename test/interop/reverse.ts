/**
 * Our command line with OpenClaw's Gateway: each command ends with 0 and, with `--json`, with JSON.
 */
import * as Effect from "effect/Effect"
import * as Rig from "../gateway/rig.ts"
import { askForMore, knockAsNode } from "./askers.ts"
import * as Command from "./Command.ts"
import { ANSWER, configure, environment, type Ground, home, SECRET } from "./ground.ts"
import { differs, type Results } from "./Results.ts"
import { note, operator, pendingOf, type Side, startNode } from "./Side.ts"

interface Line {
  /** `<name>`: a member of `Facts`. */
  readonly words: string
  readonly code?: number
  readonly shows?: RegExp
  /** Prints one JSON value a line. */
  readonly stream?: boolean
  /** A paired device asks for more first. */
  readonly asks?: boolean
}

/** What commands need to know. */
interface Facts {
  readonly request: string
  readonly strangeRequest: string
  readonly deviceRequest: string
  readonly device: string
}

/** In an order in which each finds what it needs. */
const lines: ReadonlyArray<Line> = [
  { words: "gateway health --json" },
  { words: "gateway health", shows: /OK/i },
  { words: "gateway status --json" },
  { words: "gateway status" },
  { words: "gateway probe --json" },
  { words: "gateway probe" },
  { words: "gateway call health --json" },
  { words: "gateway call sessions.list --json" },
  { words: "gateway call foo.bar --json", code: 1, shows: /unknown method: foo\.bar/ },
  { words: "health --json" },
  { words: "health" },
  { words: "status --json" },
  { words: "status" },
  { words: "status --deep --json" },
  { words: "status --deep" },
  { words: "logs --limit 5 --json", stream: true },
  { words: "logs --limit 5 --plain" },
  { words: "system presence --json", shows: /"mode": ?"gateway"/ },
  { words: "system presence" },
  { words: "system event --text hello --json" },
  { words: "nodes pending --json", shows: /loft/ },
  { words: "nodes pending", shows: /loft/ },
  { words: "nodes approve <request> --json" },
  { words: "nodes approve no-such-request", code: 1 },
  { words: "nodes reject <strangeRequest> --json" },
  { words: "nodes list --json", shows: /loft/ },
  { words: "nodes status --json", shows: /loft/ },
  { words: "nodes status", shows: /loft/ },
  { words: "nodes describe --node loft --json", shows: /system\.run/ },
  { words: 'nodes invoke --node loft --command system.which --params {"bins":["sh"]} --json', shows: /\/sh"/ },
  { words: "nodes invoke --node loft --command camera.snap", code: 1 },
  { words: "nodes describe --node no-such-node", code: 1 },
  { words: "approvals get --gateway --json" },
  { words: "approvals get --gateway" },
  { words: "approvals get --node loft --json" },
  { words: "approvals pending --json" },
  { words: "nodes rename --node loft --name attic --json" },
  { words: "nodes remove --node attic --json" },
  { words: "devices list --json", asks: true },
  { words: "devices list" },
  { words: "devices approve <deviceRequest> --json", asks: true },
  { words: "devices reject <deviceRequest> --json", asks: true },
  { words: "devices rename --device <device> --name bench --json" },
  { words: "devices rotate --device <device> --role operator --json" },
  { words: "devices revoke --device <device> --role operator --json" },
  { words: "devices remove <device> --json" },
  { words: "channels status --json" },
  { words: "channels status" },
  { words: "channels status --probe --json" },
  { words: "models list --json", shows: /mock/ },
  { words: "models list", shows: /mock/ },
  { words: "agents list --json", shows: /main/ },
  { words: "agents list", shows: /main/ },
  { words: "agent --message hello --agent main", shows: new RegExp(ANSWER.join("")) },
  { words: "agent --message hello --agent main --json", shows: new RegExp(ANSWER.join("")) },
  { words: "agent --message hello --session-key agent:main:spare", shows: new RegExp(ANSWER.join("")) },
  { words: "agent --message hello --agent no-such-agent", code: 1 },
  { words: "sessions --json", shows: /agent:main:main/ },
  { words: "sessions", shows: /agent:main:spare/ },
  { words: "sessions archive agent:main:spare --json" },
  { words: "sessions delete agent:main:spare --json --yes" },
  { words: "config get gateway.port" },
  { words: "pairing list telegram --json" },
  { words: "message send --channel telegram -t telegram:5 -m hello --dry-run --json" },
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
  yield* knockAsNode(side)
  const device = Rig.makeDevice()
  yield* operator(side, { scopes: ["operator.read"] }, device)
  const known = {
    request: (yield* pendingOf(raw, "loft")).requestId,
    strangeRequest: (yield* pendingOf(raw, "stranger")).requestId,
    device: device.id
  }
  yield* Effect.forEach(lines, ({ asks = false, code = 0, shows, stream = false, words }) =>
    results.step(
      client,
      words,
      Effect.gen(function* () {
        const facts: Facts = { ...known, deviceRequest: asks ? yield* askForMore(side) : "" }
        const filled = words.replaceAll(/<(\w+)>/g, (_, name: keyof Facts) => facts[name])
        const ended = yield* Command.run({
          program: process.execPath,
          args: [ground.ours.entry, ...filled.split(" ")],
          env: environment(at)
        })
        note(ground, `our-cli-${words}-${side.name}.txt`, `${ended.code}\n${ended.stdout}\n--- stderr\n${ended.stderr}`)
        const said = `${ended.stdout}\n${ended.stderr}`.trim()
        if (ended.code !== code) {
          return yield* Effect.fail(differs(`exit code ${ended.code} for ${code}: ${said.slice(-400)}`))
        }
        const values = stream ? ended.stdout.trim().split("\n") : [ended.stdout]
        if (words.includes("--json") && !values.every(isJson)) {
          return yield* Effect.fail(differs(`no JSON: ${said.slice(0, 300)}`))
        }
        if (shows !== undefined && !shows.test(said)) {
          return yield* Effect.fail(differs(`does not show ${String(shows)}: ${said.slice(0, 300)}`))
        }
      })
    )
  )
}, Effect.scoped)

/**
 * OpenClaw's command line against our Gateway, and against its own: the same exit code, and with `--json` the same shape.
 */
import * as Effect from "effect/Effect"
import * as Rig from "../gateway/rig.ts"
import * as Command from "./Command.ts"
import { type Commands, commands } from "./commands.ts"
import { configure, environment, type Ground, home, SECRET } from "./ground.ts"
import { askForMore, knockAsNode } from "./askers.ts"
import { differs, type Results } from "./Results.ts"
import { difference, shapeOf } from "./shape.ts"
import { note, operator, pendingOf, type Side, startNode } from "./Side.ts"

const NODE = "desk"

/** What a command needs to know of the Gateway that it is run against. */
export interface Facts {
  readonly node: string
  readonly nodeRequest: string
  readonly strangeNodeRequest: string
  /** Made anew for each command that asks for it: theirs forgets one after five minutes. */
  readonly deviceRequest: string
  /** A paired device of an operator. */
  readonly deviceId: string
}

const gather = Effect.fnUntraced(function* (ground: Ground, side: Side) {
  const node = side.name === "ours" ? NODE : `${NODE}-theirs`
  yield* startNode(ground, ground.theirs, side, node)
  const raw = yield* operator(side)
  yield* knockAsNode(side)
  const device = Rig.makeDevice()
  yield* operator(side, { scopes: ["operator.read"] }, device)
  return {
    node,
    strangeNodeRequest: (yield* pendingOf(raw, "stranger")).requestId,
    deviceRequest: "",
    deviceId: device.id,
    nodeRequest: (yield* pendingOf(raw, node)).requestId
  } satisfies Facts
})

const homes = (ground: Ground, side: Side) => {
  const local = home(ground, `cli-local-${side.name}`)
  const remote = home(ground, `cli-remote-${side.name}`)
  configure(local, { gateway: { mode: "local", port: side.port, auth: { mode: "token", token: SECRET } } })
  configure(remote, { gateway: { mode: "remote", remote: { url: side.url, token: SECRET } } })
  return { local, remote }
}

/** The last JSON value of the output, or every line's when it is a stream of them. */
const parse = (stdout: string): ReadonlyArray<unknown> | undefined => {
  const tryParse = (text: string): ReadonlyArray<unknown> | undefined => {
    try {
      return [JSON.parse(text)]
    } catch {
      return undefined
    }
  }
  const whole = tryParse(stdout)
  if (whole !== undefined) return whole
  const lines = stdout
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map(tryParse)
  return lines.length > 0 && lines.every((line) => line !== undefined) ? lines.flat() : undefined
}

const outcomeOf = (command: Commands, ours: Command.Ended, theirs: Command.Ended): ReadonlyArray<string> => {
  if (ours.code !== theirs.code) {
    const said = `${ours.stdout}\n${ours.stderr}`.trim().split("\n").slice(-4).join(" / ")
    return [`exit code ${ours.code} for ${theirs.code}: ${said.slice(0, 400)}`]
  }
  if (!command.args({} as Facts).includes("--json")) return []
  const [there, here] = [parse(theirs.stdout), parse(ours.stdout)]
  if (there === undefined) return here === undefined ? [] : ["JSON where theirs is none"]
  if (here === undefined) return ["no JSON"]
  return difference(shapeOf(...there), shapeOf(...here))
}

/** Carries out every command, on both sides at once. */
export const run = Effect.fnUntraced(function* (ground: Ground, results: Results, ours: Side, theirs: Side) {
  const sides = [ours, theirs] as const
  const [here, there] = yield* Effect.all(
    sides.map((side) => Effect.map(gather(ground, side), (facts) => ({ facts, homes: homes(ground, side), side }))),
    { concurrency: 2 }
  )
  if (here === undefined || there === undefined) return
  const runOn = Effect.fnUntraced(function* (command: Commands, at: typeof here) {
    const facts = command.asks === "device" ? { ...at.facts, deviceRequest: yield* askForMore(at.side) } : at.facts
    const ended = yield* Command.run({
      program: process.execPath,
      args: [
        ground.theirs.entry,
        ...command.args(facts),
        ...(command.mode === "url" ? ["--url", at.side.url, "--token", SECRET] : [])
      ],
      env: environment(command.mode === "remote" ? at.homes.remote : at.homes.local)
    })
    const text = `exit code ${ended.code}\n${ended.stdout}\n--- stderr\n${ended.stderr}`
    note(ground, `cli-${command.name}-${at.side.name}.txt`, text)
    return ended
  })
  yield* Effect.forEach(commands, (command) =>
    results.step(
      "their CLI",
      command.name,
      Effect.gen(function* () {
        const [mine, yours] = yield* Effect.all([runOn(command, here), runOn(command, there)], { concurrency: 2 })
        const lines = outcomeOf(command, mine, yours)
        if (lines.length > 0) return yield* Effect.fail(differs(...lines))
      })
    )
  )
}, Effect.scoped)

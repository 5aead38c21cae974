/**
 * `openclaw doctor`: everything is looked at side by side, each for a bounded time.
 */
import * as Effect from "effect/Effect"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { NotWell } from "../../errors.ts"
import { count, lines, plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import { type Area, AREAS, type Check, error } from "./Check.ts"
import { repair, type Repaired } from "./fix.ts"
import { gateway, nodes, service } from "./gateway.ts"
import { security, ssh, tailscale } from "./machine.ts"
import { model } from "./model.ts"
import { clock, config, program } from "./program.ts"
import { state } from "./state.ts"
import { type Subject, subject, withServiceVariables } from "./Subject.ts"
import { telegram } from "./telegram.ts"

/** Seconds for one area. A model on this machine may have to be loaded first. */
const SECONDS = 15
const SECONDS_DEEP = 60

/** Looks at all of it. Never fails: what could not be found out is a finding. */
const examine = Effect.fn("cli.doctor.examine")(function* (given: Subject, deep: boolean) {
  const seconds = deep ? SECONDS_DEEP : SECONDS
  const busy = new Set<Area>(AREAS)
  const look = <R>(area: Area, looked: Effect.Effect<ReadonlyArray<Check>, never, R>) =>
    Effect.timeoutOrElse(looked, {
      duration: `${seconds} seconds`,
      orElse: () =>
        Effect.succeed([
          error(area, "time", `no answer within ${seconds} s`, {
            fix: "run the command again; something that it asks hangs"
          })
        ])
    }).pipe(Effect.ensuring(Effect.sync(() => busy.delete(area))))
  // In the order in which they are shown.
  const found = yield* Effect.all(
    [
      look("program", program),
      look("config", config(given)),
      look("state", state(given, deep)),
      look("gateway", gateway(given)),
      look("service", service(given)),
      look("model", model(given, deep)),
      look("telegram", telegram(given)),
      look("nodes", nodes(given)),
      look("ssh", ssh(given)),
      look("tailscale", tailscale(given)),
      look("clock", clock(given)),
      look("security", security(given))
    ],
    { concurrency: "unbounded" }
  ).pipe(waiting(() => `Looking at ${[...busy].join(", ")}`))
  return found.flat()
})

const words: Readonly<Record<Check["status"], string>> = { ok: "ok", info: "note", warn: "WARN", error: "ERROR" }
const WIDTH = Math.max(...AREAS.map((area) => area.length))

const shown = ({ area, detail, fix, status }: Check): string =>
  [
    `${words[status].padEnd(5)} ${area.padEnd(WIDTH)}  ${lines(detail)}.`,
    ...(fix === undefined ? [] : [`${" ".repeat(WIDTH + 8)}Fix: ${lines(fix)}.`])
  ].join("\n")

const said = ({ detail, result }: Repaired): string =>
  result === "done"
    ? `Done: ${plain(detail)}.`
    : result === "failed"
      ? `Not done: ${lines(detail)}`
      : `Left: ${plain(detail)}`

const summaryOf = (checks: ReadonlyArray<Check>) => ({
  ok: checks.filter(({ status }) => status === "ok").length,
  info: checks.filter(({ status }) => status === "info").length,
  warn: checks.filter(({ status }) => status === "warn").length,
  error: checks.filter(({ status }) => status === "error").length
})

const isFinding = ({ status }: Check): boolean => status === "warn" || status === "error"

/** Exit code 0 when all is well, 1 when there is something to mend. */
export const run = Effect.fn("cli.doctor")(
  function* (flags: { readonly fix: boolean; readonly deep: boolean }) {
    const first = yield* subject
    const before = yield* examine(first, flags.deep)
    const repairs = flags.fix ? yield* repair(first, before) : []
    const checks = repairs.some(({ result }) => result === "done") ? yield* examine(yield* subject, flags.deep) : before
    const findings = checks.filter(isFinding).length
    const fixable = new Set(checks.flatMap(({ repair }) => repair?.kind ?? [])).size
    yield* print(
      {
        ok: findings === 0,
        summary: summaryOf(checks),
        checks: checks.map(({ repair, ...check }) => (repair === undefined ? check : { ...check, fixable: true })),
        ...(flags.fix ? { repairs } : undefined)
      },
      () =>
        [
          ...repairs.map(said),
          ...checks.map(shown),
          "",
          findings === 0
            ? "All is well."
            : `${count(findings, "thing")} to mend.${!flags.fix && fixable > 0 ? ` \`${first.program} doctor --fix\` does what is safe, and asks before the rest.` : ""}`
        ].join("\n")
    )
    if (findings > 0) return yield* new NotWell({})
  },
  withServiceVariables,
  Effect.provide(NodeHttpClient.layerNodeHttp)
)

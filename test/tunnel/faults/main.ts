/**
 * Brings about every fault, prints what came of it, and writes the table to `test/tunnel/RESULTS.md`. With words after it only
 * those whose name has one of them, and nothing is written.
 */
import * as Fs from "node:fs"
import * as path from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { type Fault, faults, type Outcome, skipped } from "./cases.ts"
import { bringAbout, nameOf } from "./run.ts"

const FILE = path.join(import.meta.dirname, "..", "RESULTS.md")
const BEGIN = "<!-- faults: begin -->"
const END = "<!-- faults: end -->"

const seconds = (millis: number | undefined) => (millis === undefined ? "" : `${(millis / 1000).toFixed(1)} s`)

const cells = (fault: Fault, outcome: Outcome) => {
  const said = outcome.error?.message.split("\n")[0] ?? ""
  const told = [nameOf(outcome.error), said === "" ? undefined : `“${said}”`, outcome.note]
  return [
    fault.name,
    seconds(outcome.noticedMs),
    seconds(outcome.backMs),
    told
      .filter((part) => part !== undefined)
      .join("; ")
      .replaceAll("|", "\\|"),
    String(outcome.credentials)
  ]
}

const main = Effect.gen(function* () {
  const words = process.argv.slice(2)
  const chosen = faults.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
  const rows: Array<ReadonlyArray<string>> = []
  let wrong = 0
  for (const fault of chosen) {
    const reason = skipped(fault)
    if (reason !== undefined) {
      yield* Console.log(`skipped: ${fault.name}: ${reason}`)
      rows.push([fault.name, "", "", `not tried: ${reason}`, ""])
      continue
    }
    const result = yield* Effect.result(Effect.timeout(bringAbout(fault), "3 minutes"))
    if (Result.isFailure(result)) {
      wrong += 1
      yield* Console.error(`FAILED: ${fault.name}`, result.failure)
      continue
    }
    const outcome = result.success
    const row = cells(fault, outcome)
    rows.push(row)
    const right = nameOf(outcome.error) === fault.expect && outcome.credentials === 0
    if (!right) wrong += 1
    yield* Console.log(`${right ? "ok" : "WRONG"}: ${row.join(" | ")}`)
  }
  const head = ["fault", "noticed after", "back after", "what is said", "credentials seen"]
  const table = [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")
  if (words.length === 0 && wrong === 0) {
    const text = Fs.readFileSync(FILE, "utf8")
    const [before, after] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)]
    Fs.writeFileSync(FILE, `${text.slice(0, before)}\n\n${table}\n\n${text.slice(after)}`)
  }
  if (wrong > 0) yield* Effect.sync(() => (process.exitCode = 1))
}).pipe(Effect.provide(Logger.layer([])))

NodeRuntime.runMain(main)

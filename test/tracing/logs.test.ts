/** Log lines that say where they belong, and what is shown of them. */
import { mkdtempSync, renameSync, rmSync, writeFileSync, appendFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { isShown, parseLine, showLine } from "../../src/cli/commands/logs/lines.ts"
import { tail } from "../../src/layers/gateway/logTail.ts"
import { makeRedact } from "../../src/layers/logging/Redactor.ts"
import { toJsonLine, toRecord } from "../../src/layers/logging/record.ts"

const flow = {
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  sampled: true,
  runId: "run-canary-secret"
}
const line = toJsonLine(
  toRecord(makeRedact(["canary-secret"]), {
    date: DateTime.toDateUtc(DateTime.makeUnsafe(0)),
    level: "Warn",
    message: "the model is slow",
    cause: Cause.empty,
    annotations: { fiber: "channels/telegram/default" },
    spans: [],
    flow
  })
).trim()

describe("a log line", () => {
  it("says its part of the program, its trace and its turn, and no secret", () => {
    assert.deepInclude(JSON.parse(line), {
      level: "warn",
      subsystem: "channels",
      traceId: flow.traceId,
      spanId: flow.spanId,
      traceFlags: "01",
      runId: "run-<redacted>"
    })
    assert.include(showLine(parseLine(line), { color: false, utc: true }), "warn [channels] the model is slow")
  })

  it("is shown when it is all that was asked for", () => {
    const parsed = parseLine(line)
    for (const filter of [
      {},
      { level: "info" as const },
      { level: "warn" as const },
      { subsystem: "channels" },
      { grep: "MODEL" },
      { trace: flow.traceId },
      { trace: "run-<redacted>", level: "warn" as const }
    ]) {
      assert.isTrue(isShown(parsed, filter), JSON.stringify(filter))
    }
    for (const filter of [
      { level: "error" as const },
      { subsystem: "gateway" },
      { grep: "quick" },
      { trace: "another" },
      { grep: "model", level: "fatal" as const }
    ]) {
      assert.isFalse(isShown(parsed, filter), JSON.stringify(filter))
    }
    assert.isTrue(isShown(parseLine("no record at all"), { level: "error" }))
  })
})

describe("a log that is turned over while somebody follows it", () => {
  it.effect("loses no line", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = mkdtempSync(join(tmpdir(), "openclaw-logs-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const file = join(folder, "gateway.log")
      writeFileSync(file, "one\ntwo\n")
      const { cursor } = yield* tail({ fs, file })
      appendFileSync(file, "three\n")
      renameSync(file, `${file}.1`)
      writeFileSync(file, "four\n")
      const next = yield* tail({ fs, file, cursor })
      assert.deepStrictEqual(next.lines, ["three", "four"])
      assert.deepStrictEqual((yield* tail({ fs, file, cursor: next.cursor })).lines, [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

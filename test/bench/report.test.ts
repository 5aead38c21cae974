/** What the bench's table says: percentiles, medians over runs, budgets, and where it is put. */
import { assert, describe, it } from "@effect/vitest"
import { BARE, judge, measures, OURS } from "../../bench/budgets.ts"
import * as Record from "../../bench/record.ts"
import { combine, summarize, type Summary, table } from "../../bench/report.ts"
import { BEGIN, END, markdown, splice } from "../../bench/results.ts"

const hundred = Array.from({ length: 100 }, (_, index) => index + 1)

const summary = (measure: string, subject: string, value: number, more: Partial<Summary> = {}): Summary => ({
  measure,
  subject,
  unit: "ms",
  n: 1,
  best: value,
  p50: value,
  p99: value,
  ...more
})

describe("report", () => {
  it("counts percentiles from the good end", () => {
    const times = summarize({ measure: "m", subject: "s", unit: "ms", samples: hundred })
    assert.deepStrictEqual([times.best, times.p50, times.p99, times.n], [1, 50, 99, 100])
    const rates = summarize({ measure: "m", subject: "s", unit: "1/s", samples: hundred })
    assert.deepStrictEqual([rates.best, rates.p50, rates.p99], [100, 50, 1])
  })

  it("takes the medians over the runs, of each measure and subject by itself", () => {
    const runs = [1, 100, 3].map((value) => [
      summary("a", "x", value, { cpuMs: value }),
      summary("a", "y", value * 2),
      ...(value === 3 ? [summary("b", "x", 9)] : [])
    ])
    assert.deepStrictEqual(
      combine(runs).map(({ measure, subject, p50, cpuMs }) => [measure, subject, p50, cpuMs]),
      [
        ["a", "x", 3, 3],
        ["a", "y", 6, undefined],
        ["b", "x", 9, undefined]
      ]
    )
  })

  it("says how ours stands to each budget, and of others only the figure", () => {
    const version = measures.command("--version")
    const judged = judge(
      [
        summary(version, BARE, 20),
        summary(version, OURS, 25),
        summary(version, "other", 100),
        summary(measures.command("status"), BARE, 20),
        summary(measures.command("status"), OURS, 50),
        summary(measures.idle, OURS, 101),
        summary(measures.idle, "other", 1000),
        summary(measures.rested, OURS, 120),
        summary(measures.warm, BARE, 20),
        summary(measures.warm, OURS, 180),
        summary(measures.loop, OURS, 12)
      ],
      [{ measure: measures.idle, subject: "other", message: "it went away" }]
    )
    assert.deepStrictEqual(
      judged.map(({ note }) => note),
      [
        undefined,
        `1.25x ${BARE}, within 1.3x`,
        `5.00x ${BARE}`,
        undefined,
        `2.50x ${BARE}`,
        "over 100",
        "incomplete, see below",
        "+19, within +30",
        undefined,
        `9.00x ${BARE}, over 8x`,
        "within 20"
      ]
    )
  })

  it("leaves out columns that nobody needs and repeats no measure", () => {
    const lines = table([summary("a", "x", 1), summary("b", "x", 2), summary("a", "y", 3)]).split("\n")
    assert.deepStrictEqual(lines, [
      "| measure | who | best |  p50 |  p99 | unit |  n |",
      "| ------- | --- | ---: | ---: | ---: | ---- | -: |",
      "| a       | x   | 1.00 | 1.00 | 1.00 | ms   |  1 |",
      "|         | y   | 3.00 | 3.00 | 3.00 | ms   |  1 |",
      "| b       | x   | 2.00 | 2.00 | 2.00 | ms   |  1 |"
    ])
  })

  it("adds readings of one measure up, and shares processor time among all operations", () => {
    const recorder = Record.make()
    const reading = { measure: "m", subject: "s", unit: "ms" } as const
    recorder.add({ ...reading, samples: [1, undefined], cpu: { ms: 30, operations: 10 }, loopMs: 4 })
    recorder.add({ ...reading, samples: [2], cpu: { ms: 50, operations: 30 }, loopMs: 3 })
    recorder.add({ ...reading, subject: "silent", samples: [undefined] })
    assert.deepStrictEqual(recorder.rows(), [{ ...reading, samples: [1, 2], cpuMs: 2, loopMs: 4 }])
  })

  it("tells a problem once, names programs without their folders, and keeps its place in the file", () => {
    const problem = { measure: "m", subject: "other", message: "refused 3" }
    const section = markdown(
      {
        command: '--peer "/home/me/.bin/node /home/me/openclaw.mjs gateway run" --runs 3',
        runs: 3,
        summaries: [summary("m", OURS, 1)],
        problems: [problem, problem],
        busiest: { share: 0.5, measure: "m (x)" }
      },
      "2026-11-21",
      0.51
    )
    assert.include(section, 'npm run bench -- --peer "node openclaw.mjs gateway run" --runs 3')
    assert.include(section, "- other, m: refused 3 (2 times)")
    assert.include(section, "medians of 3 runs")
    const file = `before\n\n${BEGIN}\n\nold\n\n${END}\n\nafter\n`
    assert.strictEqual(splice(file, "new"), `before\n\n${BEGIN}\n\nnew\n\n${END}\n\nafter\n`)
    assert.strictEqual(splice("", "new"), "new\n")
  })
})

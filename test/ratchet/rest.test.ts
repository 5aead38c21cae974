/**
 * When a Gateway's process collects what its work has left, second by second.
 */
import { assert, describe, it } from "@effect/vitest"
import { begin, next, type Second } from "../../src/cli/commands/gateway/rest.ts"

const MB = 1024 * 1024
const quiet = (megabytes: number): Second => ({ busy: 0.01, heapBytes: megabytes * MB })
const busy = (megabytes: number): Second => ({ busy: 0.6, heapBytes: megabytes * MB })
const times = (count: number, second: Second) => Array.from({ length: count }, () => second)

/** In which seconds it collects, counted from 0. */
const due = (seconds: ReadonlyArray<Second>): ReadonlyArray<number> => {
  let resting = begin
  return seconds.flatMap((second, index) => {
    resting = next(resting, second)
    return resting.isDue ? [index] : []
  })
}

describe("what a start leaves is collected", () => {
  it("in the first quiet second", () => assert.deepStrictEqual(due([quiet(40)]), [0]))

  it("not while somebody is served", () => assert.deepStrictEqual(due([busy(40), busy(60), quiet(60)]), [2]))
})

describe("what work leaves is collected", () => {
  const started = [quiet(40), ...times(30, quiet(25))]

  it("once, when it was quiet for twenty seconds", () =>
    assert.deepStrictEqual(due([...started, ...times(5, busy(150)), ...times(60, quiet(150))]), [0, 55]))

  it("not during work with pauses in it", () => {
    const pauses = Array.from({ length: 10 }, () => [busy(150), ...times(19, quiet(150))]).flat()
    assert.deepStrictEqual(due([...started, ...pauses]), [0])
  })

  it("not while the heap is hardly larger than it was", () =>
    assert.deepStrictEqual(due([...started, busy(32), ...times(60, quiet(32))]), [0]))

  it("again after the next work, also when the last collection could give nothing back", () => {
    const work = (megabytes: number) => [busy(megabytes), ...times(40, quiet(megabytes))]
    assert.deepStrictEqual(due([...started, ...work(60), ...work(80)]), [0, 51, 92])
  })

  it("measured by what was left, when V8 shrinks the heap a little later", () => {
    const work = [busy(100), ...times(20, quiet(100)), ...times(40, quiet(30))]
    assert.deepStrictEqual(due([...started, ...work, busy(40), ...times(20, quiet(40))]), [0, 51, 112])
  })
})

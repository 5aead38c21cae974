/**
 * A second machine as far as the network goes: a network namespace behind a pair of virtual Ethernet ends.
 */
import { spawnSync } from "node:child_process"
import * as Effect from "effect/Effect"

const ip = (...args: ReadonlyArray<string>): string | undefined => {
  const { error, status, stderr } = spawnSync("ip", args, { encoding: "utf8" })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : stderr.trim()
}

let made = 0

/** Why this machine has no namespaces; undefined where it has. */
export const missing: string | undefined = (() => {
  const name = `ocprobe${process.pid}`
  const [kind, pair] = [ip("netns", "add", name), ip("link", "add", `${name}a`.slice(-15), "type", "veth")]
  ip("link", "del", `${name}a`.slice(-15))
  ip("netns", "del", name)
  const problem = kind ?? pair
  return problem === undefined ? undefined : `network namespaces cannot be made here (ip: ${problem.split("\n")[0]})`
})()

/** Gone with the scope, together with what runs in it. */
export const make = Effect.gen(function* () {
  const id = (process.pid * 16 + made++) % 65_536
  const [name, near, far] = [`ocfar${id}`, `ocn${id}`, `ocf${id}`]
  // Of the block that is set aside for tests of networks.
  const net = `198.18.${id >> 8}`
  const base = (id & 63) * 4
  const [here, there] = [`${net}.${base + 1}`, `${net}.${base + 2}`]
  const run = (...args: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      const problem = ip(...args)
      return problem === undefined ? Effect.void : Effect.die(new Error(`ip ${args.join(" ")}: ${problem}`))
    })
  const inside = (...args: ReadonlyArray<string>) => run("-n", name, ...args)
  const nowhere = ["unreachable", `${net}.${base}/30`, "metric", "9999"]
  yield* Effect.acquireRelease(run("netns", "add", name), () =>
    Effect.sync(() => {
      ip("route", "del", ...nowhere)
      ip("link", "del", near)
      ip("netns", "del", name)
    })
  )
  yield* run("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
  yield* run("addr", "add", `${here}/30`, "dev", near)
  // While the cable is pulled nobody else is asked for the way.
  yield* run("route", "add", ...nowhere)
  yield* inside("addr", "add", `${there}/30`, "dev", far)
  yield* inside("link", "set", "lo", "up")
  yield* inside("link", "set", far, "up")
  yield* run("link", "set", near, "up")
  return {
    address: there,
    prefix: ["ip", "netns", "exec", name],
    /** Everything that is sent goes to a station that is not there: dropped, and nobody is told. */
    blackHole: run("neigh", "replace", there, "lladdr", "02:00:00:00:00:01", "dev", near, "nud", "permanent"),
    /** The way is open again. */
    heal: run("neigh", "del", there, "dev", near),
    /** The cable is pulled: this machine sees it. */
    unplug: run("link", "set", near, "down"),
    plug: run("link", "set", near, "up")
  }
})

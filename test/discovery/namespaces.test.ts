/**
 * Real multicast between machines: network namespaces that are joined by pairs of interfaces. `den` is on two networks, and
 * has no default route, so that whatever is sent has to choose its interface. Needs root and iproute2; where they are missing
 * the tests are skipped, and their heading says why.
 */
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const id = `oc${process.pid}`
const [den, left, right, alone] = ["d", "l", "r", "a"].map((end) => `${id}${end}`) as [string, string, string, string]
const namespaces = [den, left, right, alone]

const ip = (...args: ReadonlyArray<string>) => spawnSync("ip", args, { encoding: "utf8" })
const within = (namespace: string, ...args: ReadonlyArray<string>) => ip("netns", "exec", namespace, "ip", ...args)

const possible = process.getuid?.() === 0 && ip("netns", "add", alone).status === 0
const children = new Set<ReturnType<typeof spawn>>()

/** A cable between two namespaces, with an address at each end. */
const cable = (a: string, atA: string, b: string, atB: string, name: string) => {
  ip("link", "add", `${id}${name}0`, "type", "veth", "peer", "name", `${id}${name}1`)
  for (const [end, namespace, address] of [
    ["0", a, atA],
    ["1", b, atB]
  ] as const) {
    ip("link", "set", `${id}${name}${end}`, "netns", namespace)
    within(namespace, "addr", "add", `${address}/24`, "dev", `${id}${name}${end}`)
    within(namespace, "link", "set", `${id}${name}${end}`, "up")
  }
}

/** A Node process in a namespace. */
const start = (namespace: string, ...args: ReadonlyArray<string>) => {
  const command = ["netns", "exec", namespace, process.execPath, ...args]
  const child = spawn("ip", command, { stdio: ["ignore", "pipe", "inherit"] })
  children.add(child)
  let said = ""
  const ended = new Promise<string>((resolve) => child.once("close", () => resolve(said)))
  child.stdout.on("data", (bytes) => {
    said += String(bytes)
  })
  const until = (text: string, times: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (said.split(text).length > times) resolve()
      }
      child.stdout.on("data", look)
      look()
    })
  return { child, ended, until }
}

const run = (namespace: string, ...args: ReadonlyArray<string>) =>
  start(namespace, join(import.meta.dirname, "machine.ts"), ...args)

const seenFrom = async (namespace: string): Promise<{ seen: ReadonlyArray<string>; problems: ReadonlyArray<string> }> =>
  JSON.parse(await run(namespace, "browse").ended)

beforeAll(() => {
  if (!possible) return
  for (const namespace of [den, left, right]) ip("netns", "add", namespace)
  cable(den, "10.87.1.1", left, "10.87.1.2", "x")
  cable(den, "10.87.2.1", right, "10.87.2.2", "y")
})

afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
  if (possible) for (const namespace of namespaces) ip("netns", "del", namespace)
})

const heading = possible ? "" : " (skipped: namespaces need root and iproute2)"

describe(`multicast between machines${heading}`, () => {
  it.skipIf(!possible)(
    "is found on both networks, each by the address there; a second Gateway has another name",
    async () => {
      const first = run(den, "advertise", "1111")
      await first.until("mDNS: found on", 2)
      const second = run(den, "advertise", "2222")
      await second.until("mDNS: found on", 2)
      assert.deepStrictEqual((await seenFrom(left)).seen, ["den (2) 2222 10.87.1.1", "den 1111 10.87.1.1"])
      assert.deepStrictEqual((await seenFrom(right)).seen, ["den (2) 2222 10.87.2.1", "den 1111 10.87.2.1"])
      assert.deepStrictEqual((await seenFrom(den)).seen, [
        "den (2) 2222 10.87.1.1 10.87.2.1",
        "den 1111 10.87.1.1 10.87.2.1"
      ])
      for (const { child, ended } of [first, second]) {
        child.kill("SIGTERM")
        await ended
      }
      assert.deepStrictEqual((await seenFrom(left)).seen, [])
    },
    60_000
  )

  it.skipIf(!possible)(
    "MulticastUnavailable: another program has the port for itself",
    async () => {
      const hog = `const s = require("node:dgram").createSocket("udp4"); s.bind({ port: 5353, exclusive: true }, () => console.log("bound"))`
      const first = start(left, "-e", hog)
      await first.until("bound", 1)
      const { problems, seen } = await seenFrom(left)
      assert.deepStrictEqual([seen, problems], [[], [`multicast does not work on ${id}x1 (EADDRINUSE)`]])
      first.child.kill("SIGTERM")
      await first.ended
    },
    30_000
  )

  it.skipIf(!possible)(
    "a machine without any network finds nothing, and that is no failure",
    async () => {
      assert.deepStrictEqual(await seenFrom(alone), { seen: [], problems: [] })
    },
    30_000
  )
})

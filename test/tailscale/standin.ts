/**
 * A folder with a stand-in for the `tailscale` program, and what it is to answer. Nothing here proves anything of Tailscale
 * itself: no tailnet is at hand.
 */
import { existsSync } from "node:fs"
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

export const NAME = "host.tail1234.ts.net"

/** `tailscale status --json --peers=false` of a machine that is connected, with what is to be otherwise. */
export const running = (change: Record<string, unknown> = {}) => ({
  Version: "1.98.2-tdeadbeef",
  TUN: true,
  BackendState: "Running",
  HaveNodeKey: true,
  AuthURL: "",
  TailscaleIPs: ["100.101.102.103", "fd7a:115c:a1e0::1234"],
  Self: {
    ID: "n1",
    HostName: "host",
    DNSName: `${NAME}.`,
    OS: "linux",
    UserID: 1,
    TailscaleIPs: ["fd7a:115c:a1e0::1234", "100.101.102.103"],
    Online: true,
    CapMap: { https: null, "https://tailscale.com/cap/funnel-ports?ports=443,8443,10000": null, funnel: null }
  },
  Health: [],
  MagicDNSSuffix: "tail1234.ts.net",
  CurrentTailnet: { Name: "somebody@example.com", MagicDNSSuffix: "tail1234.ts.net", MagicDNSEnabled: true },
  CertDomains: [NAME],
  Peer: null,
  User: null,
  ...change
})

export const person = (login: string) => ({
  Node: { ID: 2, Name: "laptop.tail1234.ts.net.", Addresses: ["100.64.0.7/32"], User: 1 },
  UserProfile: { ID: 1, LoginName: login, DisplayName: "Some Body", ProfilePicURL: "" },
  CapMap: {}
})

type Command = "status" | "whois" | "routes" | "serve" | "funnel" | "version"

export class StandIn {
  readonly folder: string
  readonly program: string
  constructor(folder: string) {
    this.folder = folder
    this.program = join(folder, "tailscale")
  }
  private write(name: string, content: string) {
    return Effect.promise(() => writeFile(join(this.folder, name), content))
  }
  status(answer: unknown) {
    return this.write("status.json", typeof answer === "string" ? answer : JSON.stringify(answer))
  }
  whois(address: string, answer: unknown) {
    return this.write(`whois/${address}.json`, typeof answer === "string" ? answer : JSON.stringify(answer))
  }
  background(config: Record<string, unknown>) {
    return this.write("background.json", JSON.stringify(config).slice(1, -1))
  }
  fail(command: Command, words: string) {
    return this.write(`${command}.fail`, words)
  }
  hang(command: Command) {
    return this.write(`${command}.hang`, "")
  }
  mend(command: Command) {
    return Effect.promise(async () => {
      await rm(join(this.folder, `${command}.fail`), { force: true })
      await rm(join(this.folder, `${command}.hang`), { force: true })
    })
  }
  /** Process ids that hold a claim. */
  get claims() {
    return Effect.promise(async () => {
      const folder = join(this.folder, "claims")
      const names = existsSync(folder) ? await readdir(folder) : []
      return names.map(Number).filter(alive)
    })
  }
  calls(command: string) {
    return Effect.promise(async () => {
      const file = join(this.folder, "calls")
      if (!existsSync(file)) return []
      return (await readFile(file, "utf8")).split("\n").filter((line) => line.startsWith(command))
    })
  }
}

export const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Connected and with HTTPS, unless it is told otherwise. */
export const make = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "tailscale-"))
    const standIn = new StandIn(folder)
    await mkdir(join(folder, "whois"))
    await cp(join(import.meta.dirname, "standin.sh"), standIn.program)
    await chmod(standIn.program, 0o755)
    await writeFile(join(folder, "status.json"), JSON.stringify(running()))
    return standIn
  }),
  (standIn) =>
    Effect.gen(function* () {
      for (const pid of yield* standIn.claims) process.kill(pid, "SIGKILL")
      yield* Effect.promise(() => rm(standIn.folder, { recursive: true, force: true }))
    })
)

const moment = Effect.sleep("20 millis")

/** Looks until it is so. */
export const until = Effect.fnUntraced(function* <A, E, R>(look: Effect.Effect<A, E, R>, is: (found: A) => boolean) {
  while (true) {
    const found = yield* look
    if (is(found)) return found
    yield* moment
  }
})

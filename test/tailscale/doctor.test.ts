/** `openclaw doctor tailscale`: each finding, and what mends it. */
import { assert, describe, it } from "@effect/vitest"
import { type Check, examine, type Facts } from "../../src/layers/tailscale/examine.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { TailscaleUnavailable, type TailscaleStatus } from "../../src/services/Tailscale.ts"
import { NAME } from "./standin.ts"

const well: TailscaleStatus = {
  version: "1.98.2",
  state: "Running",
  name: NAME,
  addresses: ["100.101.102.103"],
  magicDns: true,
  https: true,
  funnel: true,
  health: []
}

const absent = {
  error: new TailscaleUnavailable({ reason: "not-installed", detail: "there is no `tailscale` program" })
}

interface Change extends Partial<Omit<Facts, "config" | "status">> {
  readonly gateway?: OpenClawConfig["gateway"]
  readonly status?: Partial<TailscaleStatus> | "absent"
}

const look = ({ gateway, status, ...change }: Change = {}): ReadonlyArray<Check> =>
  examine({
    config: gateway === undefined ? {} : { gateway },
    auth: "token",
    port: 18_789,
    routes: { found: [] },
    whois: { found: { login: "me@example.com", node: NAME } },
    bindAddress: "100.101.102.103",
    ...change,
    status: status === "absent" ? absent : { found: { ...well, ...status } }
  })

const serve = { tailscale: { mode: "serve" } } as const
const funnel = { tailscale: { mode: "funnel" } } as const
const route = (target: string, more = {}) => ({
  found: [{ url: `https://${NAME}/`, target, funnel: false, foreground: false, ...more }]
})

describe("doctor tailscale", () => {
  it("a machine that has all of it: nothing to mend", () => {
    for (const gateway of [undefined, serve, { bind: "tailnet" }] as const) {
      const checks = gateway === undefined ? look() : look({ gateway })
      assert.deepStrictEqual(Array.from(new Set(checks.map(({ status }) => status))), ["ok"])
    }
  })

  it.each([
    ["no program, and nothing wants it", { status: "absent" }, "program", "info"],
    ["no program", { status: "absent", gateway: serve }, "program", "error"],
    ["no program, for a bind", { status: "absent", gateway: { bind: "tailnet" } }, "program", "error"],
    ["logged out", { status: { state: "NeedsLogin" }, gateway: serve }, "daemon", "error"],
    ["still starting", { status: { state: "NoState" }, gateway: serve }, "daemon", "error"],
    ["no MagicDNS", { status: { magicDns: false }, gateway: serve }, "name", "error"],
    ["no certificates", { status: { https: false }, gateway: serve }, "https", "error"],
    ["no certificates, and nothing wants them", { status: { https: false } }, "https", "info"],
    ["Funnel is not allowed", { status: { funnel: false }, gateway: funnel, auth: "password" }, "funnel", "error"],
    ["no address", { status: { addresses: [] }, gateway: serve }, "address", "error"],
    ["nothing to bind to", { bindAddress: undefined, gateway: { bind: "tailnet" } }, "bind", "error"],
    ["nothing to bind to, and nothing wants it", { bindAddress: undefined }, "bind", "info"],
    ["another tailnet's address", { bindAddress: "100.64.0.1" }, "bind", "warn"],
    ["whois fails", { whois: absent, gateway: serve }, "whois", "error"],
    ["routes cannot be asked", { routes: absent, gateway: serve }, "routes", "error"],
    ["the ordinary listener is opened", { routes: route("http://127.0.0.1:18789") }, "routes", "warn"],
    ["another holds the port", { routes: route("http://127.0.0.1:3000"), gateway: serve }, "routes", "error"],
    ["its own warnings", { status: { health: ["key expires soon"] } }, "health", "warn"],
    ["serve on more than loopback", { gateway: { ...serve, bind: "lan" } }, "config", "error"],
    ["serve without anything", { gateway: serve, auth: "none" }, "config", "error"],
    ["funnel without a password", { gateway: funnel }, "config", "error"],
    ["allowTailscale without serve", { gateway: { auth: { allowTailscale: true } } }, "config", "warn"]
  ] as ReadonlyArray<readonly [string, Change, Check["id"], Check["status"]]>)("%s", (_, change, id, status) => {
    const found = look(change).filter((check) => check.status === status)
    const check = found.find((one) => one.id === id)
    assert.isDefined(check, JSON.stringify(look(change)))
    assert.isString(check?.fix)
  })

  it("what is opened while its program runs is the Gateway's own", () => {
    const [check] = look({ routes: route("http://127.0.0.1:40000", { foreground: true }), gateway: serve }).filter(
      ({ id }) => id === "routes"
    )
    assert.strictEqual(check?.status, "ok")
  })
})

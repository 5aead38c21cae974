/**
 * The command lines of OpenClaw's CLI that speak with a Gateway, in an order in which each finds what it needs.
 */
import type { Facts } from "./cli.ts"

export interface Commands {
  readonly name: string
  readonly args: (facts: Facts) => ReadonlyArray<string>
  /** Where the CLI finds the Gateway: its configuration says local or remote, or the command line does. */
  readonly mode: "local" | "remote" | "url"
  /** Somebody asks for something first. */
  readonly asks?: "device"
}

const line = (text: string, mode: Commands["mode"] = "local"): Commands => ({
  name: mode === "local" ? text : `${text} (${mode === "url" ? "--url" : mode})`,
  args: (facts) =>
    text.split(" ").map((word) => (word.startsWith("<") ? facts[word.slice(1, -1) as keyof Facts] : word)),
  mode
})

const call = (method: string, params: object | ((facts: Facts) => object) = {}): Commands => ({
  name: `gateway call ${method}`,
  args: (facts) => [
    "gateway",
    "call",
    method,
    "--params",
    JSON.stringify(typeof params === "function" ? params(facts) : params),
    "--json"
  ],
  mode: "local"
})

const invoke = (name: string, ...rest: ReadonlyArray<string>): Commands => ({
  name,
  args: ({ node }) => ["nodes", "invoke", "--node", node, ...rest],
  mode: "local"
})

export const commands: ReadonlyArray<Commands> = [
  line("gateway health --json"),
  line("gateway health", "url"),
  line("gateway status --json"),
  line("gateway status"),
  line("gateway probe --json"),
  line("gateway probe"),
  call("foo.bar"),
  line("health --json"),
  line("health"),
  line("health --json", "remote"),
  line("status --json"),
  line("status"),
  line("status --deep --json"),
  line("status --json", "remote"),
  line("logs --limit 5 --json"),
  line("logs --limit 5 --plain", "url"),
  line("cron list --json"),
  line("system presence --json"),
  line("nodes pending --json"),
  line("nodes approve <nodeRequest> --json"),
  line("nodes approve no-such-request"),
  line("nodes reject <strangeNodeRequest> --json"),
  line("nodes list --json"),
  line("nodes list", "url"),
  line("nodes status --json"),
  line("nodes describe --node <node> --json"),
  line("nodes describe --node no-such-node"),
  invoke("nodes invoke system.which", "--command", "system.which", "--params", '{"bins":["sh"]}', "--json"),
  invoke("nodes invoke system.run", "--command", "system.run", "--params", '{"command":["true"]}'),
  invoke("nodes invoke camera.snap", "--command", "camera.snap"),
  line("approvals get --gateway --json"),
  line("approvals get --node <node> --json"),
  line("approvals pending --json"),
  line("nodes rename --node <node> --name desk-two --json"),
  { ...line("devices list --json"), asks: "device" },
  line("devices list", "url"),
  { ...line("devices approve <deviceRequest> --json"), asks: "device" },
  line("devices approve no-such-request"),
  { ...line("devices reject <deviceRequest> --json"), asks: "device" },
  line("devices rotate --device <deviceId> --role operator --json"),
  line("devices revoke --device <deviceId> --role operator --json"),
  line("devices remove <deviceId> --json"),
  line("channels status --json"),
  line("channels status --probe"),
  line("models list --json"),
  line("models list --json", "remote"),
  line("agent --message hello --agent main --json"),
  line("agent --message hello"),
  line("agent --message hello --agent no-such-agent"),
  line("sessions --json"),
  line("config get gateway.port"),
  line("pairing list telegram --json"),
  line("message send --channel telegram -t telegram:5 -m hello --dry-run --json"),
  call("sessions.list"),
  call("chat.history", { sessionKey: "main" }),
  call("agents.list"),
  call("models.list"),
  call("commands.list"),
  call("config.get"),
  call("node.list"),
  line("gateway health --token wrong --json"),
  line("gateway health --url ws://127.0.0.1:1 --token x")
]

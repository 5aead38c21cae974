/**
 * What to do for an intent on the nodes that are there: tool calls, or words.
 */
import { choose, nameOf, type Choice, type Node } from "./choose.ts"
import { argvOf, type Facet, type Intent } from "./intent.ts"

export interface ToolCall {
  readonly name: "nodes" | "message"
  readonly params: Readonly<Record<string, unknown>>
}

export type Plan =
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "call"; readonly calls: ReadonlyArray<ToolCall> }

/** How a question to the user begins; a following answer is read together with the text before it. */
export const QUESTION = "Which node do you mean: "

const say = (text: string): Plan => ({ kind: "say", text })

const oneOf = (nodes: ReadonlyArray<Node>): string => {
  const names = nodes.map((node) =>
    // Two nodes of one name are told apart by their ids.
    nodes.filter((other) => nameOf(other) === nameOf(node)).length > 1
      ? `${nameOf(node)} (${node.nodeId.slice(0, 8)})`
      : nameOf(node)
  )
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`
}

/** Commands by which a computer without `device.*` commands can still be asked. */
const substitutes: Partial<Record<Facet, ReadonlyArray<string>>> = {
  uptime: ["uptime"],
  load: ["uptime"],
  status: ["uptime"],
  disk: ["df", "-h", "/"],
  memory: ["free", "-h"],
  system: ["uname", "-a"]
}

const excuse = (choice: Exclude<Choice, { kind: "node" }>, nodes: ReadonlyArray<Node>, what: string): Plan => {
  const here = nodes.filter((node) => node.connected !== false)
  switch (choice.kind) {
    case "none":
      return say("No node is connected. Start one with `openclaw node run` on the machine that I should ask.")
    case "away":
      return say(`${nameOf(choice.node)} is known but not connected, so I cannot ask it.`)
    case "unknown":
      return say(
        here.length === 0
          ? `No node is called "${choice.name}", and none is connected.`
          : `No node is called "${choice.name}". Connected: ${here.map(nameOf).join(", ")}.`
      )
    case "incapable":
      return say(`${oneOf(choice.nodes)} does not offer ${what}.`)
    case "ambiguous":
      return say(`${QUESTION}${oneOf(choice.nodes)}?`)
  }
}

const invoke = (node: Node, command: string, params: Readonly<Record<string, unknown>> = {}): ToolCall => ({
  name: "nodes",
  params: { action: "invoke", node: node.nodeId, command, params }
})
const run = (node: Node, argv: ReadonlyArray<string>): ToolCall => ({
  name: "nodes",
  params: { action: "run", node: node.nodeId, argv }
})

const forState = (facets: ReadonlyArray<Facet>, about: string, nodes: ReadonlyArray<Node>): Plan => {
  const wanted = facets.every((facet) => facet === "system")
    ? ["device.info"]
    : facets.some((facet) => facet === "system" || facet === "status")
      ? ["device.info", "device.status"]
      : ["device.status"]
  const replaceable = facets.some((facet) => substitutes[facet] !== undefined)
  const usable = ["device.status", "device.info", ...(replaceable ? ["system.run"] : [])]
  const choice = choose(nodes, about, usable)
  if (choice.kind !== "node") return excuse(choice, nodes, "device.status or device.info")
  const offered = choice.node.commands ?? []
  const direct = wanted.filter((command) => offered.includes(command))
  if (direct.length > 0) return { kind: "call", calls: direct.map((command) => invoke(choice.node, command)) }
  const other = ["device.status", "device.info"].find((command) => offered.includes(command))
  if (other !== undefined) return { kind: "call", calls: [invoke(choice.node, other)] }
  const argvs = facets.flatMap((facet) => substitutes[facet] ?? []).length
    ? [
        ...new Map(
          facets.flatMap((f) => (substitutes[f] ? [[substitutes[f].join(" "), substitutes[f]] as const] : []))
        ).values()
      ]
    : []
  return { kind: "call", calls: argvs.map((argv) => run(choice.node, argv)) }
}

const one = (about: string, command: string, nodes: ReadonlyArray<Node>, call: (node: Node) => ToolCall): Plan => {
  const choice = choose(nodes, about, [command])
  return choice.kind === "node" ? { kind: "call", calls: [call(choice.node)] } : excuse(choice, nodes, command)
}

/** Whether the intent can only be planned with the list of nodes. */
export const needsNodes = (intent: Intent): boolean =>
  intent.kind !== "abilities" && intent.kind !== "unknown" && intent.kind !== "send"

export const planFor = (intent: Intent, nodes: ReadonlyArray<Node>): Plan => {
  switch (intent.kind) {
    case "list": {
      if (nodes.length === 0) return say("No node is connected, and none is known.")
      const lines = nodes.map(
        (node) =>
          `- ${nameOf(node)}${node.platform ? ` (${node.platform})` : ""}: ${
            node.connected === false ? "not connected" : `connected, ${node.commands?.length ?? 0} commands`
          }`
      )
      return say(`I know ${nodes.length === 1 ? "one node" : `${nodes.length} nodes`}:\n${lines.join("\n")}`)
    }
    case "state":
      return forState(intent.facets, intent.about, nodes)
    case "run":
      return one(intent.about, "system.run", nodes, (node) => run(node, argvOf(intent.command)))
    case "which":
      return one(intent.about, "system.which", nodes, (node) =>
        invoke(node, "system.which", { bins: [intent.program] })
      )
    case "invoke":
      return one(intent.about, intent.command, nodes, (node) => invoke(node, intent.command))
    case "send":
      return {
        kind: "call",
        calls: [
          {
            name: "message",
            params: { to: intent.to, text: intent.text, ...(intent.channel ? { channel: intent.channel } : undefined) }
          }
        ]
      }
    case "abilities":
      return say(
        "I am a small rule-driven assistant, no language model. I can list the connected nodes, tell a node's uptime, battery, disk, memory, load or system, say where a program is (`which git on <node>`), run a command (`run uptime on <node>`), and send a message. For anything else, configure a language model with agents.defaults.model."
      )
    case "unknown":
      return say(
        "I am no language model, only a few rules for asking the connected nodes, and this is beyond them. Ask me for a node's status, to run a command on it, or `help`; for real conversation configure a language model with agents.defaults.model."
      )
  }
}

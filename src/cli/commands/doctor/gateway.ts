/**
 * The Gateway: whether it runs and answers, who has its port, its service, its nodes.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { VERSION } from "../../../domain/Version.ts"
import { resolvePort } from "../../../layers/config/gatewayAuth.ts"
import type { NodeRow } from "../../../protocol/methods/nodes.ts"
import { Environment } from "../../Environment.ts"
import { count, plain, shortId, shortName } from "../../output.ts"
import { holdersOf } from "../../service/holders.ts"
import { serviceNotes, serviceStatus } from "../../service/status.ts"
import { storageState } from "../health/run.ts"
import { caught, type Check, error, info, ok, partsOf, warn } from "./Check.ts"
import type { Subject } from "./Subject.ts"

/** Who is in the way of a Gateway that is to start. */
const portOf = Effect.fnUntraced(function* ({ config, defaultPort, program }: Subject) {
  const { variables } = yield* Environment
  const port = Result.getOrElse(resolvePort({ flags: {}, env: variables, config, defaultPort }), () => defaultPort)
  const holders = yield* holdersOf(port)
  if (holders === undefined) return [info("gateway", "port", `who has port ${port} cannot be seen on this machine`)]
  const [first] = holders
  if (first === undefined) return [ok("gateway", "port", `port ${port} is free`)]
  const who =
    first.pid === undefined
      ? "another user's program"
      : `pid ${first.pid}${first.command === undefined ? "" : ` (${plain(first.command)})`}`
  return [
    error("gateway", "port", `port ${port} is held by ${who}, which is not this Gateway`, {
      fix: `end that program, or take another port: \`${program} config set gateway.port <port>\``
    })
  ]
})

const unanswered = (subject: Subject, said: string): Check => {
  const { detail, fix } = partsOf(said)
  const { owner, program } = subject
  return error(
    "gateway",
    "answer",
    owner === undefined ? detail : `the Gateway runs (pid ${owner.pid}) and does not answer: ${detail}`,
    {
      fix: fix ?? `\`${program} gateway status\` shows more, \`${program} logs\` what it said`
    }
  )
}

export const gateway = (subject: Subject) =>
  Effect.gen(function* () {
    const { owner, program, remote } = subject
    if (owner === undefined && !remote) {
      const port = yield* portOf(subject)
      return [
        info("gateway", "runs", "no Gateway runs here", {
          fix: `start it with \`${program} gateway run\`, or \`${program} gateway start\` where it is a service`
        }),
        ...port
      ]
    }
    const found = yield* subject.ask
    if (!found.ok) return [unanswered(subject, found.error.message)]
    const { status } = found.answer
    const version = found.hello.server.version
    const storage = storageState(status.storage)
    const dead = status.deadLetters?.total ?? 0
    return [
      ok(
        "gateway",
        "answer",
        `answers at ${found.target.endpoint} in ${found.latencyMs} ms${owner === undefined ? "" : `, pid ${owner.pid}`}`
      ),
      ...(version === VERSION || remote
        ? []
        : [
            warn("gateway", "version", `it has version ${plain(version)}, and this program has ${VERSION}`, {
              fix: `\`${program} gateway restart\` starts the installed one`
            })
          ]),
      ...(storage === undefined
        ? []
        : [error("gateway", "storage", `its storage: ${storage}`, { fix: "see what the state's checks say" })]),
      ...(dead === 0
        ? []
        : [
            warn("gateway", "dead-letters", `${count(dead, "message")} given up`, {
              fix: `\`${program} channels dead-letters list\` shows them, with their reasons`
            })
          ])
    ]
  }).pipe(caught("gateway", "answer"))

export const service = (subject: Subject) =>
  Effect.gen(function* () {
    const { owner, program } = subject
    const status = yield* serviceStatus("gateway")
    if (!status.installed) {
      return [
        info("service", "installed", "not installed; the Gateway runs only while somebody runs it", {
          fix: `\`${program} gateway install\` has it run from now on`
        })
      ]
    }
    const notes = serviceNotes(status)
    const outdated = new Set(status.configAudit.issues.map(({ message }) => message))
    return [
      ...notes.map((note) => {
        const { detail, fix } = partsOf(note)
        return warn(
          "service",
          "state",
          detail,
          outdated.has(note)
            ? {
                fix: fix ?? `\`${program} doctor --fix\` asks, then writes it again and restarts it`,
                repair: { kind: "service" }
              }
            : { fix: fix ?? "take that file away where it is not wanted" }
        )
      }),
      ...(status.loaded
        ? []
        : [
            warn("service", "enabled", `${status.id} is installed and does not start by itself`, {
              fix: `\`${program} gateway install --force\``
            })
          ]),
      ...(status.runtime.status === "stopped" && owner === undefined
        ? [warn("service", "runs", `${status.id} is stopped`, { fix: `\`${program} gateway start\`` })]
        : []),
      ...(notes.length === 0 && status.loaded
        ? [ok("service", "installed", `${status.id} (${status.label}) is as it should be`)]
        : [])
    ]
  }).pipe(caught("service", "state"))

const named = ({ displayName, nodeId }: Pick<NodeRow, "displayName" | "nodeId">): string =>
  displayName === undefined ? shortId(nodeId) : shortName(displayName)

const MOST_NAMES = 5
const names = (rows: ReadonlyArray<Pick<NodeRow, "displayName" | "nodeId">>): string =>
  [
    ...rows.slice(0, MOST_NAMES).map(named),
    ...(rows.length > MOST_NAMES ? [`${rows.length - MOST_NAMES} more`] : [])
  ].join(", ")

export const nodes = (subject: Subject) =>
  Effect.gen(function* () {
    const { owner, program, remote } = subject
    if (owner === undefined && !remote) return [info("nodes", "list", "not looked at: no Gateway runs")]
    const found = yield* subject.ask
    if (!found.ok) return [info("nodes", "list", "not looked at: the Gateway does not answer")]
    const { answer } = found
    const list = Option.getOrUndefined(answer.nodes)
    if (list === undefined) return [info("nodes", "list", "the Gateway does not tell of its nodes")]
    const rows = list.nodes ?? []
    const offline = rows.filter((node) => node.connected !== true)
    const other = rows.filter(
      (node) => node.connected === true && node.version !== undefined && node.version !== VERSION
    )
    const pending = Option.match(answer.pendingNodes, { onNone: () => [], onSome: ({ pending }) => pending ?? [] })
    const devices = Option.match(answer.devices, { onNone: () => [], onSome: ({ pending }) => pending ?? [] })
    const asking = pending.map((node) =>
      warn("nodes", "unapproved", `${named(node)} waits for its commands to be approved`, {
        fix: `look at what it wants with \`${program} nodes pending\`, then \`${program} nodes approve ${shortId(node.requestId)}\``
      })
    )
    return [
      rows.length === 0
        ? info("nodes", "list", "no node is paired")
        : ok("nodes", "list", `${rows.length - offline.length} of ${count(rows.length, "node")} connected`),
      ...(offline.length === 0
        ? []
        : [
            info("nodes", "offline", `offline: ${names(offline)}`, {
              fix: `start \`${program} node run\` there, or look at its log`
            })
          ]),
      ...asking,
      ...(devices.length === 0
        ? []
        : [
            warn("nodes", "devices", `${count(devices.length, "device")} waiting to be let in`, {
              fix: `\`${program} devices list\` shows them`
            })
          ]),
      ...(other.length === 0 ? [] : [info("nodes", "version", `another version than ${VERSION}: ${names(other)}`)])
    ]
  }).pipe(caught("nodes", "list"))

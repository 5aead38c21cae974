import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { display, parse } from "../../../domain/TlsFingerprint.ts"
import { VERSION } from "../../../domain/Version.ts"
import type { ChannelsStatusResult, StatusSummary } from "../../../protocol/methods/system.ts"
import { type Configuration, configuration, modelOf } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { describe, NotWell, tell } from "../../errors.ts"
import { target } from "../../gateway.ts"
import { count, duration, fields, plain, print, tilde } from "../../output.ts"
import { probe, type Reached } from "../../probe.ts"
import * as State from "../../state.ts"
import { supervisionTree } from "../../tree.ts"
import { place, placeDocument } from "../../tunnel.ts"
import { channelState, deadLetters, storageState } from "../health/run.ts"

interface Answer {
  readonly status: StatusSummary
  readonly channels: ChannelsStatusResult
}

const channelsOf = ({ channelAccounts, channelLabels, channelOrder }: ChannelsStatusResult): string =>
  channelOrder
    .flatMap((id) =>
      (channelAccounts[id] ?? []).map(
        (account) => `${channelLabels[id] ?? id} ${account.accountId}: ${channelState(account)}`
      )
    )
    .join(" · ") || "none configured"

const sessionsOf = ({ sessions }: StatusSummary): string | undefined =>
  Predicate.hasProperty(sessions, "count") && Predicate.isNumber(sessions.count) ? String(sessions.count) : undefined

/** As other programs show it; what another Gateway may send instead is shown as it is. */
const fingerprintOf = (text: string): string =>
  Result.match(parse(text, "status"), { onSuccess: display, onFailure: () => plain(text) })

const tailscaleOf = (found: StatusSummary["tailscale"]): string | undefined =>
  found === undefined
    ? undefined
    : found.state === "active"
      ? `${found.mode} at ${found.url ?? "an unknown address"}`
      : `${found.mode} waits: ${found.reason ?? "no reason is known"} (fix: ${found.fix ?? "see `openclaw doctor tailscale`"})`

const running = ({ answer: { channels, status }, hello, latencyMs }: Reached<Answer>) =>
  [
    ["Reachable", `yes (${latencyMs}ms)`],
    ["Version", hello.server.version],
    [
      "Certificate",
      status.tlsFingerprint === undefined ? undefined : `SHA-256 ${fingerprintOf(status.tlsFingerprint)}`
    ],
    ["Tailscale", tailscaleOf(status.tailscale)],
    ["Up", status.uptimeMs === undefined ? undefined : duration(status.uptimeMs)],
    ["Process", status.pid === undefined ? undefined : `pid ${status.pid}`],
    ["Memory", status.rssBytes === undefined ? undefined : `${Math.round(status.rssBytes / 1e6)} MB`],
    ["Storage", storageState(status.storage) ?? (status.storage === undefined ? undefined : "ok")],
    ["Connections", status.connections === undefined ? undefined : String(status.connections)],
    ["Channels", channelsOf(channels)],
    [
      "Nodes",
      status.nodes === undefined
        ? undefined
        : `${status.nodes.connected} connected, ${status.nodes.paired} paired, ${status.nodes.pending} waiting for approval`
    ],
    ["Sessions", sessionsOf(status)],
    ["Given up", deadLetters(status.deadLetters?.total ?? 0)]
  ] as const

const fileState = (file: Configuration): string =>
  file.exists ? (file.valid ? "valid" : "not valid") : "missing; defaults are used"

/** Prints what can be known also when no Gateway answers; the exit code is then 1. */
export const run = Effect.fn("cli.status")(function* (flags: { readonly deep: boolean; readonly timeout: number }) {
  const { home } = yield* Environment
  const { root } = yield* State.plan
  const file = yield* configuration
  const to = yield* Effect.result(target)
  const found =
    to._tag === "Failure"
      ? { ok: false as const, refused: false, error: describe(to.failure) }
      : yield* probe({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
          Effect.all({
            status: client.call.status({ includeChannelSummary: true }),
            channels: client.call["channels.status"]({})
          })
        )
  const now = yield* Clock.currentTimeMillis
  const reached = found.ok ? found : undefined
  const isOurs = reached === undefined || reached.answer.status.supervisor !== undefined
  const model = reached?.answer.status.model ?? (isOurs ? modelOf(file.config) : undefined)
  const endpoint = to._tag === "Success" ? placeDocument(to.success) : {}
  // Another Gateway than ours has no such tree to show, and its model is its own affair.
  const supervisor = reached?.answer.status.supervisor
  yield* print(
    {
      ...reached?.answer.status,
      version: VERSION,
      stateDir: root,
      config: { path: file.path, exists: file.exists, valid: file.valid, problem: file.problem },
      model,
      channels: reached?.answer.channels,
      gateway: {
        ...endpoint,
        reachable: found.ok,
        ...(found.ok ? { connectLatencyMs: found.latencyMs, self: found.hello.server } : { error: found.error })
      }
    },
    () =>
      [
        `OpenClaw ${VERSION}`,
        "",
        fields([
          ["Config", `${tilde(file.path, home)} (${fileState(file)})`],
          ["State", tilde(root, home)],
          ["Model", model ?? (isOurs ? "none configured; set agents.defaults.model" : undefined)],
          ["Gateway", to._tag === "Success" ? place(to.success) : undefined],
          ...(reached === undefined ? [["Reachable", "no"] as const] : running(reached))
        ]),
        ...(supervisor !== undefined && flags.deep ? ["", supervisionTree(supervisor, now)] : []),
        ...(supervisor !== undefined && !flags.deep
          ? ["", `${count(supervisor.length, "supervised fiber")}; \`openclaw status --deep\` shows them.`]
          : [])
      ].join("\n")
  )
  yield* tell(file.problem)
  if (found.ok) return
  if (found.error.message !== file.problem) yield* tell(`Gateway not reachable. ${found.error.message}`)
  return yield* new NotWell({})
})

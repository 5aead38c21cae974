import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { HealthSummary } from "../../../protocol/methods/system.ts"
import { NotWell } from "../../errors.ts"
import { ask, target } from "../../gateway.ts"
import { place } from "../../tunnel.ts"
import { ago, count, duration, plain, print } from "../../output.ts"

const word = (state: unknown, key: string, good: string, bad: string): ReadonlyArray<string> =>
  Predicate.hasProperty(state, key) && Predicate.isBoolean(state[key]) ? [state[key] ? good : bad] : []

/** `configured, running, connected`, as far as the channel says. */
export const channelState = (state: unknown): string =>
  [
    ...word(state, "configured", "configured", "not configured"),
    ...word(state, "running", "running", "stopped"),
    ...word(state, "connected", "connected", "not connected"),
    ...(Predicate.hasProperty(state, "lastError") && Predicate.isString(state.lastError) ? [state.lastError] : [])
  ].join(", ") || "configured"

/** What is wrong with the storage; `undefined` when all is well. */
export const storageState = (storage: HealthSummary["storage"]): string | undefined =>
  storage === undefined || storage.condition === "ok"
    ? undefined
    : `${storage.condition}; nothing new is taken in (${plain(storage.message ?? "")})`

/** `2 dead letters`, and where to look; nothing when there is none. */
export const deadLetters = (number: number): string | undefined =>
  number === 0 ? undefined : `${count(number, "dead letter")}; \`openclaw channels dead-letters list\` shows them.`

const deadLettersOf = ({ deliveryQueues }: HealthSummary): number =>
  [...(deliveryQueues?.failed ?? []), ...(deliveryQueues?.ingressFailed ?? [])].reduce(
    (sum, queue) => sum + queue.count,
    0
  )

/** The accounts of a channel, a line each. */
const accountsOf = (state: unknown): ReadonlyArray<string> =>
  Predicate.hasProperty(state, "accounts") && Predicate.isObject(state.accounts)
    ? Object.entries(state.accounts).map(([id, account]) => `  ${plain(id)}: ${plain(channelState(account))}`)
    : []

const human = (health: HealthSummary, isVerbose: boolean): string => {
  const { agents = [], channels = {}, channelLabels = {}, channelOrder = Object.keys(channels), sessions } = health
  const ids = agents.flatMap((agent) =>
    Predicate.hasProperty(agent, "agentId") && Predicate.isString(agent.agentId) ? [agent.agentId] : []
  )
  const dead = deadLetters(deadLettersOf(health))
  const trouble = storageState(health.storage)
  const took = health.durationMs === undefined ? "" : ` (${duration(health.durationMs)})`
  return [
    `Gateway: ${trouble === undefined ? "OK" : "NOT OK, its storage has trouble"}${took}`,
    ...(trouble === undefined ? [] : [`Storage: ${trouble}`]),
    ...(channelOrder.length === 0
      ? ["Channels: none configured"]
      : channelOrder.flatMap((id) => [
          `${plain(channelLabels[id] ?? id)}: ${plain(channelState(channels[id]))}`,
          ...(isVerbose ? accountsOf(channels[id]) : [])
        ])),
    ...(ids.length === 0
      ? []
      : [
          `Agents: ${ids.map((id) => (id === health.defaultAgentId ? `${plain(id)} (default)` : plain(id))).join(", ")}`
        ]),
    ...(dead === undefined ? [] : [`Warning: ${dead}`]),
    ...(sessions === undefined
      ? []
      : [
          `Sessions: ${sessions.count}`,
          ...sessions.recent.map(({ age, key }) => `- ${plain(key)} (${age === null ? "never used" : ago(age, 0)})`)
        ])
  ].join("\n")
}

/** Prints `health`. A Gateway that can store nothing is not well, although it answers. */
export const run = Effect.fn("cli.health")(function* (flags: {
  readonly probe: boolean
  readonly verbose: boolean
  readonly debug: boolean
  readonly timeout: number
}) {
  const isVerbose = flags.verbose || flags.debug
  const answer = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call.health(flags.probe || isVerbose ? { probe: true } : {})
  )
  const isWell = storageState(answer.storage) === undefined
  const from = isVerbose ? [`URL: ${place(yield* target)}`] : []
  yield* print(isWell ? answer : { ...answer, ok: false }, () => [...from, human(answer, isVerbose)].join("\n"))
  if (!isWell) return yield* new NotWell({})
})

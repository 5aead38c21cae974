/**
 * The list of what runs unasked, wherever it lies: on this machine, on the Gateway's, on a node.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { BriefClient } from "../../../client/BriefClient.ts"
import { tools } from "../../../node-host/ExecApprovals.ts"
import { ExecApprovalsFile, type ExecApprovalsSnapshot } from "../../../protocol/methods/approvalsFile.ts"
import { open as openFile } from "../../../services/ApprovalsFile.ts"
import { StateDir } from "../../../services/StateDir.ts"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { fields, plain, table } from "../../output.ts"
import * as State from "../../state.ts"
import { resolveNode } from "../nodes/shared.ts"

export interface Target {
  readonly node: string | undefined
  readonly gateway: boolean
  readonly timeout: number
}

export type File = ExecApprovalsFile
/** A list with what it is called here, and the hash that its replacement shows. */
export interface Shown {
  readonly target: string
  readonly hash: string
  readonly file: File
  /** As the machine answered. */
  readonly answer: unknown
}

const Answer = Schema.Struct({ hash: Schema.String, file: ExecApprovalsFile })
const decodeAnswer = Schema.decodeUnknownEffect(Answer)
const decodeFile = Schema.decodeUnknownEffect(ExecApprovalsFile, { onExcessProperty: "error" })

/** What somebody wrote, as a list. */
export const fileFrom = (value: unknown): Effect.Effect<File, CommandFailed> =>
  Effect.mapError(
    decodeFile(value),
    ({ message }) =>
      new CommandFailed({
        message: `that is no list of exec approvals: ${message.replace(/\s+/g, " ").slice(0, 300)}\nFix: start from what \`openclaw approvals get --json\` prints under "file".`
      })
  )

/** What a machine answered that keeps such a list. */
const shownOf = (target: string, answer: unknown): Effect.Effect<Shown, CommandFailed> =>
  Effect.mapBoth(decodeAnswer(answer), {
    onSuccess: ({ file, hash }) => ({ target, hash, file, answer }),
    onFailure: () =>
      new CommandFailed({
        message: `${target} keeps a list of another kind.\nFix: change it on that machine; \`openclaw approvals get --json\` shows it.`
      })
  })

/** A file of this machine, read and written here. */
const local = (change: ((file: File) => Effect.Effect<File | undefined, CommandFailed>) | undefined) =>
  Effect.gen(function* () {
    const list = yield* openFile(yield* StateDir, tools)
    const before = yield* list.get
    // What is stored may name no use yet by `null`; it travels without.
    const asText = (value: unknown) =>
      JSON.parse(JSON.stringify(value, (_, item: unknown) => (item === null ? undefined : item))) as unknown
    const present = yield* shownOf("this machine", asText(before))
    const next = change === undefined ? undefined : yield* change(present.file)
    return next === undefined
      ? present
      : yield* shownOf("this machine", asText(yield* list.set(next, before.exists ? before.hash : undefined)))
  }).pipe(Effect.provide(State.stateDir))

const remote = Effect.fnUntraced(function* (
  client: BriefClient,
  target: Target,
  change: ((file: File) => Effect.Effect<File | undefined, CommandFailed>) | undefined
) {
  const nodeId = target.node === undefined ? undefined : (yield* resolveNode(client, target.node)).nodeId
  const name = target.node === undefined ? "the Gateway's machine" : `node ${plain(target.node)}`
  const answer =
    nodeId === undefined
      ? yield* client.call["exec.approvals.get"]({})
      : yield* client.call["exec.approvals.node.get"]({ nodeId })
  const present = yield* shownOf(name, answer)
  const file = change === undefined ? undefined : yield* change(present.file)
  if (file === undefined) return present
  const baseHash = present.hash
  const changed =
    nodeId === undefined
      ? yield* client.call["exec.approvals.set"]({ file, baseHash })
      : yield* client.call["exec.approvals.node.set"]({ nodeId, file, baseHash })
  return yield* shownOf(name, changed)
})

/** Reads the list, and replaces it when `change` gives another one. */
export const visit = Effect.fnUntraced(function* (
  target: Target,
  change?: (file: File) => Effect.Effect<File | undefined, CommandFailed>
) {
  if (target.node !== undefined && target.gateway) {
    return yield* new CommandFailed({ message: "--node and --gateway name two lists.\nFix: pass one of them." })
  }
  if (target.node === undefined && !target.gateway) return yield* local(change)
  return yield* ask(
    { scopes: ["operator.admin"], timeoutMs: target.timeout, waitingFor: "Asking for the exec approvals" },
    (client) => remote(client, target, change)
  )
})

type Resolved = ExecApprovalsSnapshot["resolvedDefaults"]

/** The list for people. */
export const listed = ({ answer, file, hash, target }: Shown): string => {
  const { path, resolvedDefaults } = answer as { readonly path?: string; readonly resolvedDefaults?: Resolved }
  const rows = Object.entries(file.agents ?? {}).flatMap(([agent, { allowlist = [] }]) =>
    allowlist.map(({ argPattern, lastUsedAt, pattern, source }) => [
      agent,
      pattern,
      argPattern ?? "",
      source ?? "",
      lastUsedAt === undefined ? "never" : DateTime.formatIso(DateTime.makeUnsafe(lastUsedAt))
    ])
  )
  const rule = (name: "security" | "ask" | "askFallback") => file.defaults?.[name] ?? resolvedDefaults?.[name]
  return [
    fields([
      ["Target", target],
      ["File", path],
      ["Hash", hash],
      ["Security", rule("security")],
      ["Ask", rule("ask")],
      ["Ask fallback", rule("askFallback")]
    ]),
    "",
    rows.length === 0
      ? "No program is on the list."
      : table(["Agent", "Pattern", "Arguments", "Source", "Last used"], rows)
  ].join("\n")
}

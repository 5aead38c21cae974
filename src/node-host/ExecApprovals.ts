/**
 * Which programs a node runs: the node's own list, in `exec-approvals.json` of its state directory.
 *
 * The document has OpenClaw's shape. It belongs to the node's owner; a Gateway may read it and, knowing its present hash,
 * replace it. A file that cannot be understood stops every command: a guard that is broken is closed.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { StateDir } from "../services/StateDir.ts"
import { CommandError, invalid } from "./CommandError.ts"

export const FILE = "exec-approvals.json"

const Security = Schema.Literals(["deny", "allowlist", "full"])
const Ask = Schema.Literals(["off", "on-miss", "always"])
const rules = {
  /** `deny`: nothing runs. `allowlist`: what the list names. `full`: anything. */
  security: Schema.optional(Security),
  /** When a person has to agree: never, for what is not on the list, or for every command. */
  ask: Schema.optional(Ask),
  /** What happens when nobody can be asked. The Gateway, which asks, reads it. */
  askFallback: Schema.optional(Security),
  autoAllowSkills: Schema.optional(Schema.Boolean)
}
const Usage = Schema.optional(Schema.NullOr(Schema.Finite))

/** One program. `pattern` is a bare name or a path glob, `argPattern` an ECMAScript expression over the joined arguments. */
const Entry = Schema.Struct({
  id: Schema.optional(Schema.NonEmptyString),
  pattern: Schema.NonEmptyString,
  argPattern: Schema.optional(Schema.String),
  source: Schema.optional(Schema.Literal("allow-always")),
  commandText: Schema.optional(Schema.String),
  lastUsedAt: Usage,
  lastUsedCommand: Schema.optional(Schema.NullOr(Schema.String)),
  lastResolvedPath: Schema.optional(Schema.String)
})
export type Entry = typeof Entry.Type

const McpTool = Schema.Struct({
  server: Schema.NonEmptyString,
  tool: Schema.NonEmptyString,
  source: Schema.Literal("allow-always"),
  addedAt: Schema.Finite,
  lastUsedAt: Schema.optional(Schema.Finite)
})

const Agent = Schema.Struct({
  ...rules,
  allowlist: Schema.optional(Schema.Array(Entry)),
  mcpTools: Schema.optional(Schema.Array(McpTool))
})

export const Document = Schema.Struct({
  version: Schema.Literal(1),
  socket: Schema.optional(
    Schema.Struct({ path: Schema.optional(Schema.String), token: Schema.optional(Schema.String) })
  ),
  defaults: Schema.optional(Schema.Struct(rules)),
  agents: Schema.optional(Schema.Record(Schema.String, Agent))
})
export type Document = typeof Document.Type

/** What `system.execApprovals.get` answers. The socket's token is never in it. */
export interface Snapshot {
  readonly path: string
  readonly exists: boolean
  /** Lowercase hexadecimal SHA-256 of the content; whoever replaces the document shows it. */
  readonly hash: string
  readonly file: Document
}

/** What counts for one agent. */
export interface Policy {
  readonly security: typeof Security.Type
  readonly ask: typeof Ask.Type
  readonly askFallback: typeof Security.Type
  readonly allowlist: ReadonlyArray<Entry>
}

export type Defaults = Omit<Policy, "allowlist">

/**
 * What a node does while its owner has written nothing: it runs what is on its list, which is empty, and asks for the
 * rest. OpenClaw starts with `full` and `off`; opening a shell to the network is a step that we leave to a person.
 */
export const closed: Defaults = { security: "allowlist", ask: "on-miss", askFallback: "deny" }

const decodeFile = Schema.decodeUnknownExit(Schema.fromJsonString(Document))
const decodeDocument = Schema.decodeUnknownExit(Document, { onExcessProperty: "error" })
const encodeFile = Schema.encodeSync(Schema.fromJsonString(Document, { space: 2 }))

const hashOf = (content: string) => createHash("sha256").update(content).digest("hex")
const empty: Document = { version: 1, defaults: {}, agents: {} }

const redacted = (document: Document): Document =>
  document.socket === undefined
    ? document
    : { ...document, socket: document.socket.path === undefined ? {} : { path: document.socket.path } }

const policyOf = (document: Document, agentId: string | undefined, defaults: Defaults): Policy => {
  const agents = new Map(Object.entries(document.agents ?? {}))
  const everyone = agents.get("*")
  const agent =
    agentId === undefined
      ? undefined
      : (agents.get(agentId) ?? (agentId === "main" ? agents.get("default") : undefined))
  const pick = <K extends keyof Defaults>(key: K): Defaults[K] =>
    (agent?.[key] ?? everyone?.[key] ?? document.defaults?.[key] ?? defaults[key]) as Defaults[K]
  return {
    security: pick("security"),
    ask: pick("ask"),
    askFallback: pick("askFallback"),
    allowlist: [...(agent?.allowlist ?? []), ...(everyone?.allowlist ?? [])]
  }
}

export class ExecApprovals extends Context.Service<
  ExecApprovals,
  {
    /** What counts for an agent now. Without an agent, only the defaults and the entries of `*` do. */
    readonly policy: (agentId: string | undefined) => Effect.Effect<Policy, CommandError>
    readonly get: Effect.Effect<Snapshot, CommandError>
    /** Replaces the document. `baseHash` must be the present one's; it may be left out while there is none. */
    readonly set: (file: unknown, baseHash: string | undefined) => Effect.Effect<Snapshot, CommandError>
  }
>()("openclaw/node-host/ExecApprovals") {
  static readonly layer = (defaults: Defaults = closed): Layer.Layer<ExecApprovals, never, StateDir> =>
    Layer.effect(ExecApprovals, make(defaults))
}

const make = Effect.fnUntraced(function* (defaults: Defaults) {
  const state = yield* StateDir
  const lock = yield* Semaphore.make(1)

  const unusable = (message: string) => new CommandError({ code: "UNAVAILABLE", message })

  const read = Effect.gen(function* () {
    const content = yield* Effect.mapError(state.read(FILE), (error) => unusable(error.message))
    if (content === undefined) return { content: undefined, document: empty }
    const decoded = decodeFile(content)
    if (Exit.isSuccess(decoded)) return { content, document: decoded.value }
    yield* Effect.logError(`${state.path(FILE)} cannot be understood, so no command runs`, decoded.cause)
    return yield* unusable(`the node's ${FILE} cannot be understood, so it runs nothing; its log says what is wrong`)
  })

  const snapshot = ({ content, document }: Effect.Success<typeof read>): Snapshot => ({
    path: state.path(FILE),
    exists: content !== undefined,
    hash: hashOf(content ?? ""),
    file: redacted(document)
  })

  const set = Effect.fnUntraced(function* (file: unknown, baseHash: string | undefined) {
    const decoded = decodeDocument(file)
    if (Exit.isFailure(decoded)) {
      const reason = decoded.cause.reasons[0]
      const detail = reason?._tag === "Fail" ? reason.error.message.replace(/\s+/g, " ").slice(0, 300) : ""
      return yield* invalid(`not an exec approvals document of version 1: ${detail}`)
    }
    const present = yield* read
    if (present.content !== undefined && baseHash === undefined) {
      return yield* invalid("exec approvals base hash required; reload and retry")
    }
    if (baseHash !== undefined && baseHash !== hashOf(present.content ?? "")) {
      return yield* invalid("exec approvals changed; reload and retry")
    }
    // Readers never see the token, so a writer cannot be expected to bring it.
    const { socket } = present.document
    const next = identified({
      ...decoded.value,
      ...(socket === undefined ? undefined : { socket: { ...decoded.value.socket, ...socket } })
    })
    const content = `${encodeFile(next)}\n`
    yield* Effect.mapError(state.write(FILE, content), (error) => unusable(error.message))
    yield* Effect.logInfo("the exec approvals were replaced through the Gateway")
    return snapshot({ content, document: next })
  })

  return ExecApprovals.of({
    policy: (agentId) => Effect.map(read, ({ document }) => policyOf(document, agentId, defaults)),
    get: Effect.map(read, snapshot),
    set: Effect.fn("ExecApprovals.set")((file, baseHash) => lock.withPermit(set(file, baseHash)))
  })
})

/** Every entry gets an id when it is saved, so that programs can point at it. */
const identified = (document: Document): Document => ({
  ...document,
  agents: Object.fromEntries(
    Object.entries(document.agents ?? {}).map(([agentId, agent]) => [
      agentId,
      {
        ...agent,
        ...(agent.allowlist === undefined
          ? undefined
          : { allowlist: agent.allowlist.map((entry) => ({ ...entry, id: entry.id ?? randomUUID() })) })
      }
    ])
  )
})

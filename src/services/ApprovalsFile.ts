/**
 * A host's list of the programs that it runs unasked: `exec-approvals.json` in its state directory.
 *
 * The document has OpenClaw's shape. It belongs to the host's owner; whoever may administer the host reads it and, knowing its
 * present hash, replaces it. A file that cannot be understood allows nothing: a guard that is broken is closed.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { StateDir } from "./StateDir.ts"

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

/** The list as it is shown. The socket's token is never in it. */
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
 * What a host does while its owner has written nothing: it runs what is on its list, which is empty, and asks for the
 * rest. OpenClaw starts with `full` and `off`; opening a shell to the network is a step that we leave to a person.
 */
export const closed: Defaults = { security: "allowlist", ask: "on-miss", askFallback: "deny" }

/** The file cannot be read, understood or written; `message` says which. Nothing was changed. */
export class ApprovalsFileUnusable extends Schema.TaggedError<ApprovalsFileUnusable>()("ApprovalsFileUnusable", {
  message: Schema.NonEmptyString
}) {}

/** The new document is not accepted. */
export class ApprovalsFileRefused extends Schema.TaggedError<ApprovalsFileRefused>()("ApprovalsFileRefused", {
  /** It is no such document; no hash of the present one was shown; the present one has another. */
  reason: Schema.Literals(["invalid", "hash-missing", "changed"]),
  message: Schema.NonEmptyString
}) {}

const decodeFile = Schema.decodeUnknownExit(Schema.fromJsonString(Document))
const decodeDocument = Schema.decodeUnknownExit(Document, { onExcessProperty: "error" })
const encodeFile = Schema.encodeSync(Schema.fromJsonString(Document, { space: 2 }))

const empty: Document = { version: 1, defaults: {}, agents: {} }

const redacted = (document: Document): Document =>
  document.socket === undefined
    ? document
    : { ...document, socket: document.socket.path === undefined ? {} : { path: document.socket.path } }

/** Without an agent, only the defaults and the entries of `*` count. */
export const policyOf = (document: Document, agentId: string | undefined, defaults: Defaults): Policy => {
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

/** The same document with an entry more; one that is there already is not added. */
export const withEntry = (document: Document, agentId: string, entry: Entry): Document => {
  const agents = document.agents ?? {}
  const agent = Object.hasOwn(agents, agentId) ? agents[agentId] : undefined
  const allowlist = agent?.allowlist ?? []
  if (allowlist.some(({ argPattern, pattern }) => pattern === entry.pattern && argPattern === entry.argPattern)) {
    return document
  }
  return { ...document, agents: { ...agents, [agentId]: { ...agent, allowlist: [...allowlist, entry] } } }
}

/** What this file asks of its host. */
export interface Tools {
  /** Lowercase hexadecimal SHA-256. */
  readonly hash: (content: string) => string
  readonly newId: () => string
}

/** Every entry gets an id when it is saved, so that programs can point at it. */
const identified = (document: Document, newId: () => string): Document => ({
  ...document,
  agents: Object.fromEntries(
    Object.entries(document.agents ?? {}).map(([agentId, agent]) => [
      agentId,
      {
        ...agent,
        ...(agent.allowlist === undefined
          ? undefined
          : { allowlist: agent.allowlist.map((entry) => ({ ...entry, id: entry.id ?? newId() })) })
      }
    ])
  )
})

/** The list of the host whose state directory this is. Changes by this process come one after another. */
export const open = Effect.fnUntraced(function* (state: StateDir["Service"], { hash, newId }: Tools) {
  const lock = yield* Semaphore.make(1)
  const unusable = (message: string) => new ApprovalsFileUnusable({ message })
  const refused = (reason: ApprovalsFileRefused["reason"], message: string) =>
    new ApprovalsFileRefused({ reason, message })

  const read = Effect.gen(function* () {
    const content = yield* Effect.mapError(state.read(FILE), (error) => unusable(error.message))
    if (content === undefined) return { content: undefined, document: empty }
    const decoded = decodeFile(content)
    if (Exit.isSuccess(decoded)) return { content, document: decoded.value }
    yield* Effect.logError(`${state.path(FILE)} cannot be understood, so no command runs`, decoded.cause)
    return yield* unusable(`the node's ${FILE} cannot be understood, so it runs nothing; its log says what is wrong`)
  })

  const snapshot = (content: string | undefined, document: Document): Snapshot => ({
    path: state.path(FILE),
    exists: content !== undefined,
    hash: hash(content ?? ""),
    file: redacted(document)
  })

  const write = Effect.fnUntraced(function* (document: Document) {
    const next = identified(document, newId)
    const content = `${encodeFile(next)}\n`
    yield* Effect.mapError(state.write(FILE, content), (error) => unusable(error.message))
    return snapshot(content, next)
  })

  const set = Effect.fnUntraced(function* (file: unknown, baseHash: string | undefined) {
    const decoded = decodeDocument(file)
    if (Exit.isFailure(decoded)) {
      const reason = decoded.cause.reasons[0]
      const detail = reason?._tag === "Fail" ? reason.error.message.replace(/\s+/g, " ").slice(0, 300) : ""
      return yield* refused("invalid", `not an exec approvals document of version 1: ${detail}`)
    }
    const present = yield* read
    if (present.content !== undefined && baseHash === undefined) {
      return yield* refused("hash-missing", "exec approvals base hash required; reload and retry")
    }
    if (baseHash !== undefined && baseHash !== hash(present.content ?? "")) {
      return yield* refused("changed", "exec approvals changed; reload and retry")
    }
    // Readers never see the token, so a writer cannot be expected to bring it.
    const { socket } = present.document
    return yield* write({
      ...decoded.value,
      ...(socket === undefined ? undefined : { socket: { ...decoded.value.socket, ...socket } })
    })
  })

  return {
    document: Effect.map(read, ({ document }) => document),
    get: Effect.map(read, ({ content, document }) => snapshot(content, document)),
    /** Replaces the document. `baseHash` must be the present one's; it may be left out while there is none. */
    set: (file: unknown, baseHash: string | undefined) => lock.withPermit(set(file, baseHash)),
    /** Changes the document by this host's own word. What `change` gives back unchanged is not written. */
    update: (change: (document: Document) => Document) =>
      lock.withPermit(
        Effect.gen(function* () {
          const { content, document } = yield* read
          const next = change(document)
          return next === document ? snapshot(content, document) : yield* write(next)
        })
      )
  }
})
export type ApprovalsFile = Effect.Success<ReturnType<typeof open>>

/**
 * The tables of approved surfaces and waiting requests, as typed rows.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { NodeId } from "../../domain/Ids.ts"
import { NodeHostStats } from "../../protocol/methods/nodes.ts"
import { RegistryStorageFailed } from "../../services/NodeRegistry.ts"

const text = Schema.optional(Schema.String)

/** What is kept of a node's own words about itself. */
export const Identity = Schema.Struct({
  clientId: Schema.String,
  clientMode: Schema.String,
  displayName: text,
  platform: text,
  version: text,
  deviceFamily: text,
  modelIdentifier: text,
  remoteIp: text
})
export type Identity = typeof Identity.Type

/** What a node declares and an operator approves, as one unit. */
export const Surface = Schema.Struct({ caps: Schema.Array(Schema.String), commands: Schema.Array(Schema.String) })
export type Surface = typeof Surface.Type

const Time = Schema.NullOr(Schema.Natural)

/** Times are Unix milliseconds. */
const Approved = Schema.Struct({
  nodeId: NodeId,
  identity: Schema.fromJsonString(Identity),
  surface: Schema.fromJsonString(Surface),
  createdAt: Schema.Natural,
  approvedAt: Schema.Natural,
  lastSeenAt: Time,
  lastConnectedAt: Time,
  lastSeenReason: Schema.NullOr(Schema.String),
  hostStats: Schema.NullOr(Schema.fromJsonString(NodeHostStats))
})
export type Approved = typeof Approved.Type

const Request = Schema.Struct({
  nodeId: NodeId,
  requestId: Schema.NonEmptyString,
  identity: Schema.fromJsonString(Identity),
  surface: Schema.fromJsonString(Surface),
  requestedAt: Schema.Natural
})
export type Request = typeof Request.Type

const decodeApproved = Schema.decodeUnknownEffect(Schema.Array(Approved))
const decodeLabels = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ nodeId: Schema.String, label: Schema.String }))
)
const decodeRequests = Schema.decodeUnknownEffect(Schema.Array(Request))
const encodeIdentity = Schema.encodeSync(Schema.fromJsonString(Identity))
const encodeSurface = Schema.encodeSync(Schema.fromJsonString(Surface))
const encodeStats = Schema.encodeSync(Schema.fromJsonString(NodeHostStats))

export const storage = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.tapError((error) => Effect.logError("the node tables could not be used", error)),
    Effect.mapError(
      () =>
        new RegistryStorageFailed({
          message: "the Gateway could not read or write its node tables; nothing was changed, its log has the cause"
        })
    )
  )

export const make = Effect.map(SqlClient.SqlClient, (sql) => {
  const approvedColumns = sql.literal(
    `node_id AS "nodeId", identity, surface, created_at AS "createdAt", approved_at AS "approvedAt", last_seen_at AS "lastSeenAt", last_connected_at AS "lastConnectedAt", last_seen_reason AS "lastSeenReason", host_stats AS "hostStats"`
  )
  const requestColumns = sql.literal(
    `node_id AS "nodeId", request_id AS "requestId", identity, surface, requested_at AS "requestedAt"`
  )
  const first = <A>(rows: ReadonlyArray<A>): A | undefined => rows[0]

  return {
    approved: storage(
      Effect.flatMap(sql`SELECT ${approvedColumns} FROM node_surfaces ORDER BY node_id`, decodeApproved)
    ),
    requests: storage(
      Effect.flatMap(
        sql`SELECT ${requestColumns} FROM node_surface_requests ORDER BY requested_at, node_id`,
        decodeRequests
      )
    ),
    approvedOf: (nodeId: string) =>
      storage(
        sql`SELECT ${approvedColumns} FROM node_surfaces WHERE node_id = ${nodeId}`.pipe(
          Effect.flatMap(decodeApproved),
          Effect.map(first)
        )
      ),
    requestOf: (nodeId: string) =>
      storage(
        sql`SELECT ${requestColumns} FROM node_surface_requests WHERE node_id = ${nodeId}`.pipe(
          Effect.flatMap(decodeRequests),
          Effect.map(first)
        )
      ),
    request: (requestId: string) =>
      storage(
        sql`SELECT ${requestColumns} FROM node_surface_requests WHERE request_id = ${requestId}`.pipe(
          Effect.flatMap(decodeRequests),
          Effect.map(first)
        )
      ),
    /** Replaces whatever request this node has. */
    putRequest: (request: Request) =>
      storage(sql`
        INSERT INTO node_surface_requests (node_id, request_id, identity, surface, requested_at)
        VALUES (${request.nodeId}, ${request.requestId}, ${encodeIdentity(request.identity)}, ${encodeSurface(request.surface)}, ${request.requestedAt})
        ON CONFLICT (node_id) DO UPDATE SET
          request_id = excluded.request_id, identity = excluded.identity, surface = excluded.surface, requested_at = excluded.requested_at`),
    removeRequest: (requestId: string) =>
      storage(sql`DELETE FROM node_surface_requests WHERE request_id = ${requestId}`),
    /** Turns a request into the approved surface, exactly as it was reviewed. */
    approve: (request: Request, now: number) =>
      storage(
        sql.withTransaction(
          Effect.andThen(
            sql`
              INSERT INTO node_surfaces (node_id, identity, surface, created_at, approved_at)
              VALUES (${request.nodeId}, ${encodeIdentity(request.identity)}, ${encodeSurface(request.surface)}, ${now}, ${now})
              ON CONFLICT (node_id) DO UPDATE SET
                identity = excluded.identity, surface = excluded.surface, approved_at = excluded.approved_at`,
            sql`DELETE FROM node_surface_requests WHERE request_id = ${request.requestId}`
          )
        )
      ),
    /** Keeps a known node's latest words about itself; no row appears for a node that was never approved. */
    connected: (nodeId: string, identity: Identity, now: number) =>
      storage(
        sql`UPDATE node_surfaces SET identity = ${encodeIdentity(identity)}, last_seen_at = ${now}, last_seen_reason = 'connect', last_connected_at = ${now} WHERE node_id = ${nodeId}`
      ),
    seen: (nodeId: string, now: number, reason: string) =>
      storage(
        sql`UPDATE node_surfaces SET last_seen_at = ${now}, last_seen_reason = ${reason} WHERE node_id = ${nodeId}`
      ),
    labels: storage(
      Effect.map(
        Effect.flatMap(sql`SELECT node_id AS "nodeId", label FROM node_labels`, decodeLabels),
        (rows) => new Map(rows.map((row) => [row.nodeId, row.label]))
      )
    ),
    putLabel: (nodeId: string, label: string) =>
      storage(sql`
        INSERT INTO node_labels (node_id, label) VALUES (${nodeId}, ${label})
        ON CONFLICT (node_id) DO UPDATE SET label = excluded.label`),
    /** Everything that is kept of a node. `false`: there was no approval and no request. */
    forget: (nodeId: string) =>
      storage(
        sql.withTransaction(
          Effect.gen(function* () {
            const surfaces = yield* sql`DELETE FROM node_surfaces WHERE node_id = ${nodeId} RETURNING node_id`
            const requests = yield* sql`DELETE FROM node_surface_requests WHERE node_id = ${nodeId} RETURNING node_id`
            yield* sql`DELETE FROM node_labels WHERE node_id = ${nodeId}`
            yield* sql`DELETE FROM node_pending WHERE node_id = ${nodeId}`
            yield* sql`DELETE FROM node_pending_revisions WHERE node_id = ${nodeId}`
            return surfaces.length + requests.length > 0
          })
        )
      ),
    stats: (nodeId: string, stats: NodeHostStats) =>
      storage(sql`UPDATE node_surfaces SET host_stats = ${encodeStats(stats)} WHERE node_id = ${nodeId}`)
  }
})

export type Store = Effect.Success<typeof make>

/**
 * `POST /tools/invoke`: one tool of the agent, called with the operator's credential and without a model.
 *
 * What could run programs on other machines is not given here unless `gateway.tools.allow` names it.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Config } from "../../../services/Config.ts"
import { Tools } from "../../../services/Tools.ts"
import { Tracing } from "../../../services/Tracing.ts"
import * as Agents from "../Agents.ts"
import { tracedHttp } from "../traced.ts"
import { allowed, authorize } from "./auth.ts"
import { readJson } from "./body.ts"
import { type Exchange, failed, gone, header, json, methodNotAllowed } from "./respond.ts"

export const PATH = "/tools/invoke"

const MAX_BODY_BYTES = 2 * 1024 * 1024

/** Not given unless the configuration says so: they reach programs on paired machines, or the Gateway itself. */
export const DENIED: ReadonlySet<string> = new Set([
  "exec",
  "spawn",
  "shell",
  "fs_write",
  "fs_delete",
  "fs_move",
  "apply_patch",
  "sessions_spawn",
  "sessions_send",
  "cron",
  "gateway",
  "nodes"
])
/** Of these only those that an admin may call. */
const ADMIN_ONLY: ReadonlySet<string> = new Set(["cron", "gateway", "nodes"])

const text = Schema.optional(Schema.NullOr(Schema.String))
const decodeRequest = Schema.decodeUnknownOption(
  Schema.Struct({
    name: text,
    tool: text,
    action: text,
    args: Schema.optional(Schema.Unknown),
    sessionKey: text,
    agentId: text,
    idempotencyKey: text
  })
)
const decodeArgs = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.Unknown))
const decodeDetails = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

const given = (value: string | null | undefined): string | undefined => {
  const trimmed = value?.trim() ?? ""
  return trimmed === "" ? undefined : trimmed
}

const refused = ({ response }: Exchange, status: number, type: string, message: string) =>
  json(response, status, { ok: false, error: { type, message } })

/** Whether the configuration and the caller's scopes leave the tool to be called. */
const isGiven = Effect.fnUntraced(function* (name: string, admin: boolean) {
  const { gateway } = yield* Effect.orDie((yield* Config).get)
  const { allow = [], deny = [] } = gateway?.tools ?? {}
  if (deny.includes(name) || (DENIED.has(name) && !allow.includes(name))) return false
  return admin || !ADMIN_ONLY.has(name)
})

/** The conversation on whose behalf a tool is called, or why there is none, as OpenClaw says it. */
const sessionOf = Effect.fnUntraced(function* (key: string, agentId: string | undefined) {
  const { ids } = yield* Agents.current
  if (agentId !== undefined && !ids.includes(agentId)) return yield* Effect.fail(`Unknown agent id "${agentId}"`)
  const owner = /^agent:([^:]+):/.exec(key)?.[1]
  if (agentId !== undefined && owner !== undefined && owner !== agentId) {
    return yield* Effect.fail(`agent "${agentId}" does not match session key agent "${owner}"`)
  }
  return yield* Effect.mapError(Agents.liveSessionKey(key, agentId), ({ message }) => message)
})

export const handle = Effect.fn("Http.toolsInvoke")(function* (exchange: Exchange) {
  if (exchange.request.method !== "POST") return methodNotAllowed(exchange, "POST")
  const scopes = yield* authorize(exchange)
  if (scopes === undefined || !allowed(exchange, scopes, "operator.write")) return undefined
  const body = yield* Effect.result(readJson(exchange, MAX_BODY_BYTES))
  if (body._tag === "Failure") {
    return failed(exchange, body.failure.status, "invalid_request_error", body.failure.message)
  }
  const request = decodeRequest(body.success)
  if (Option.isNone(request)) {
    return refused(exchange, 400, "invalid_request", "the body must be an object with a tool's name and its args")
  }
  const { action, agentId, args, idempotencyKey, sessionKey } = request.value
  const name = given(request.value.name) ?? given(request.value.tool)
  if (name === undefined) return refused(exchange, 400, "invalid_request", "tools.invoke requires name")
  const tools = yield* Tools
  const tracing = yield* Tracing
  const session = yield* Effect.result(sessionOf(given(sessionKey) ?? "main", given(agentId)))
  if (session._tag === "Failure") return refused(exchange, 400, "invalid_request", session.failure)
  if (!(yield* isGiven(name, scopes.includes("operator.admin")))) {
    return refused(exchange, 404, "not_found", `Tool not available: ${name}`)
  }

  // Anything that is no object counts as no arguments, as OpenClaw has it.
  const own = Array.isArray(args) ? {} : Option.getOrElse(decodeArgs(args), () => ({}))
  const wanted = given(action)
  const merges = wanted !== undefined && tools.takes(name, "action") && !Object.hasOwn(own, "action")
  const result = yield* tools
    .invoke({
      name,
      args: merges ? { ...own, action: wanted } : own,
      sessionKey: session.success.key,
      agentId: session.success.agentId,
      idempotencyKey: `http:${given(idempotencyKey) ?? randomUUID()}`,
      gone: gone(exchange)
    })
    .pipe((effect) => tracedHttp(tracing, PATH, header(exchange, "traceparent"), effect), Effect.result)
  if (result._tag === "Success") {
    const details = decodeDetails(result.success)
    return json(exchange.response, 200, {
      ok: true,
      result: {
        content: [{ type: "text", text: result.success }],
        ...(Option.isSome(details) ? { details: details.value } : undefined)
      }
    })
  }
  const error = result.failure
  switch (error._tag) {
    case "ToolNotFound":
      return refused(exchange, 404, "not_found", error.message)
    case "ToolInputInvalid":
      return refused(exchange, 400, "tool_error", error.message)
    case "ToolCallFailed":
      return refused(exchange, 500, "tool_error", error.message)
  }
})

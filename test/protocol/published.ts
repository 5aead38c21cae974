/** OpenClaw's published schema, as a yardstick. */
import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { Ajv } from "ajv"
import { type JsonSchema, samples } from "./samples.ts"

const schema = JSON.parse(
  readFileSync(new URL("../../node_modules/@openclaw/gateway-protocol/protocol.schema.json", import.meta.url), "utf8")
) as {
  readonly $id: string
  readonly definitions: Readonly<Record<string, JsonSchema>>
  readonly methods: Readonly<Record<string, { readonly since: string; readonly scope: string }>>
}

const ajv = new Ajv({ strict: false, allErrors: true })
ajv.addSchema(schema)

export const isDefined = (name: string): boolean => Object.hasOwn(schema.definitions, name)

/** Fails unless the value is what the schema's definition says. */
export const conforms = (definition: string, value: unknown): void => {
  const validate = ajv.getSchema(`${schema.$id}#/definitions/${definition}`)
  if (validate === undefined) return assert.fail(`the schema has no ${definition}`)
  const valid = validate(value)
  const found = ajv.errorsText(validate.errors?.slice(0, 3))
  assert.isTrue(valid, `${definition}: ${found} in ${JSON.stringify(value).slice(0, 600)}`)
}

/** `chat.send` → `ChatSend`. */
export const definitionOf = (name: string): string =>
  name
    .split(/[.-]/)
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join("")

/** Results whose definitions are not named after their methods. */
const resultNames: Readonly<Record<string, string>> = {
  "agent.identity.get": "AgentIdentityResult",
  "config.schema": "ConfigSchemaResponse",
  "device.scopes.requestUpgrade": "ScopeUpgradeRegistration",
  "device.scopes.waitUpgrade": "ScopeUpgradeResult",
  "exec.approvals.get": "ExecApprovalsSnapshot",
  "exec.approvals.set": "ExecApprovalsSnapshot",
  "exec.approvals.node.get": "ExecApprovalsNodeSnapshot",
  "exec.approvals.node.set": "ExecApprovalsNodeSnapshot"
}

/** The definition of a method's result, where the schema has one. */
export const resultOf = (method: string): string | undefined => {
  const name = resultNames[method] ?? `${definitionOf(method)}Result`
  return isDefined(name) ? name : undefined
}

type Json = Readonly<Record<string, unknown>>
const each = (definition: string, values: unknown): boolean => {
  const list = Array.isArray(values) ? values : []
  for (const value of list) conforms(definition, value)
  return list.length > 0
}
const one = (definition: string, value: unknown): boolean => each(definition, value === undefined ? [] : [value])

/** Results of which the schema has a definition for a part. */
const checkParts = (method: string, payload: unknown): boolean => {
  const answer = payload as Json
  switch (method) {
    case "system-presence":
      return each("PresenceEntry", payload)
    case "sessions.list":
      return each("SessionRow", answer["sessions"])
    case "sessions.describe":
      return one("SessionRow", answer["session"] ?? undefined)
    case "chat.startup":
    case "chat.history":
      return "kind" in answer ? one("ChatHistoryCursorResult", answer) : one("SessionRow", answer["sessionInfo"])
    case "chat.metadata":
      return [each("CommandEntry", answer["commands"]), each("ModelChoice", answer["models"])].includes(true)
    default:
      return false
  }
}

/** Checks a method's answer where the schema has a definition for it, or for parts of it; whether it has. */
export const checkResult = (method: string, payload: unknown): boolean => {
  const definition = resultOf(method)
  return definition === undefined ? checkParts(method, payload) : one(definition, payload)
}

/** Params whose definitions are not named after their methods. */
const paramsNames: Readonly<Record<string, string>> = {
  "agent.identity.get": "AgentIdentityParams",
  "device.scopes.requestUpgrade": "ScopeUpgradeRequest",
  "device.scopes.waitUpgrade": "ScopeUpgradeWait"
}

/** The definition of a method's params, where the schema has one. */
export const paramsOf = (method: string): string | undefined => {
  const name = paramsNames[method] ?? `${definitionOf(method)}Params`
  return isDefined(name) ? name : undefined
}

/** Values that a definition accepts, one at each of its edges. */
export const samplesOf = (definition: string): ReadonlyArray<unknown> => {
  const validate = ajv.getSchema(`${schema.$id}#/definitions/${definition}`)
  if (validate === undefined) return assert.fail(`the schema has no ${definition}`)
  return samples(schema.definitions[definition]!).filter((value) => validate(value) === true)
}

/** The scope that OpenClaw asks of a method's caller; `undefined` where it has no such method. */
export const scopeOf = (method: string): string | undefined => schema.methods[method]?.scope

/** Checks an event's payload where the schema has a definition; whether it has. What recorded Gateways add is taken off first. */
export const checkEvent = (name: string, payload: Readonly<Record<string, unknown>>): boolean => {
  switch (name) {
    case "agent": {
      const { agentId: _agent, sessionKey: _session, ...rest } = payload
      conforms("AgentEvent", rest)
      return true
    }
    case "presence": {
      for (const entry of payload["presence"] as ReadonlyArray<unknown>) conforms("PresenceEntry", entry)
      return true
    }
    case "node.invoke.request": {
      // Recorded Gateways send `null` for params that are not there.
      const paramsJSON = payload["paramsJSON"] === null ? "null" : payload["paramsJSON"]
      conforms("NodeInvokeRequestEvent", { ...payload, paramsJSON })
      return true
    }
    case "sessions.changed":
    case "session.message":
      return one("SessionRow", payload["session"])
    default: {
      const definition = `${definitionOf(name)}Event`
      if (!isDefined(definition)) return false
      conforms(definition, payload)
      return true
    }
  }
}

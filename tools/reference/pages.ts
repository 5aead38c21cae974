/**
 * The pages of the wire: methods, events, and the shapes that both link to.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import type * as AST from "effect/SchemaAST"
import { type EventName, EventTable } from "../../src/protocol/EventTable.ts"
import { accessOf, MethodTable, repeatOf } from "../../src/protocol/MethodTable.ts"
import type { Repeat } from "../../src/protocol/methods/method.ts"
import type { MethodAccess } from "../../src/protocol/Role.ts"
import type { Comments, Place } from "./comments.ts"
import { example } from "./examples.ts"
import { anchor, fields, firstSentence, json, page, table } from "./markdown.ts"
import { Names, rowsOf, typeOf } from "./shapes.ts"

const protocol = fileURLToPath(new URL("../../src/protocol", import.meta.url))

/** Every exported schema of the protocol has its name. */
export const namesOfProtocol = async (): Promise<Names> => {
  const files = readdirSync(protocol, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
  return new Names(await Promise.all(files.toSorted().map((file) => import(pathToFileURL(join(protocol, file)).href))))
}

const REPEATS: Readonly<Record<Repeat, string>> = {
  safe: "yes",
  keyed: "yes, because it is carried out once per `idempotencyKey`",
  never: "no"
}

const who = (access: MethodAccess): string =>
  access === "any" ? "every connection" : access === "node" ? "nodes" : `operators with \`${access}\``

const answerOf = (row: Rpc.AnyWithProps): { readonly ast: AST.AST; readonly more: boolean } =>
  RpcSchema.isStreamSchema(row.successSchema)
    ? { ast: row.successSchema.success.ast, more: true }
    : { ast: row.successSchema.ast, more: false }

/** A table of fields, a link, or a type in words. */
const shown = (ast: AST.AST, place: Place, names: Names): string => {
  const rows = rowsOf(ast, "", place, names)
  if (rows.length > 0) return fields(rows)
  const type = typeOf(ast, names, place)
  return type === "empty object" ? "Nothing." : `${type.charAt(0).toUpperCase()}${type.slice(1)}.`
}

const named = (ast: AST.AST, place: Place, names: Names): string => names.link(ast, place) ?? shown(ast, place, names)

const rows = () => [...MethodTable.requests].map(([name, row]) => ({ name, row: row as unknown as Rpc.AnyWithProps }))

/** Methods without a word of what they do. */
export const undescribedMethods = (comments: Comments): ReadonlyArray<string> =>
  rows()
    .map(({ name }) => name)
    .filter((name) => (comments.ofMethods.get(name) ?? "") === "")

export const methodsPage = (comments: Comments, names: Names): string => {
  const sections = rows().map(({ name, row }) => {
    const answer = answerOf(row)
    const place = comments.params.property(name)
    const params = row.payloadSchema.ast
    const request = { type: "req", id: "1", method: name, params: example(`the params of ${name}`, params) }
    return [
      `## ${name}`,
      comments.ofMethods.get(name) ?? "",
      `For ${who(accessOf(name))}. A client may send it again by itself after a lost answer: ${REPEATS[repeatOf(name)]}.`,
      `**Params.** ${rowsOf(params, "", place, names).length > 0 ? "" : "None."}`.trim(),
      ...(rowsOf(params, "", place, names).length > 0 ? [shown(params, place, names)] : []),
      json(request),
      answer.more ? "**Answers**, one or more of:" : "**Answer.**",
      named(answer.ast, comments.results.property(name), names)
    ].join("\n\n")
  })
  return page(
    "Methods",
    `What a client may ask of a Gateway: ${sections.length} methods, from the table that the Gateway decodes requests with. A method that is not here answers as an unknown one. \`openclaw gateway call <method> --params '<json>'\` calls any of them; [errors](errors.md) says how one fails.`,
    table(
      ["method", "for", "what it does"],
      rows().map(({ name }) => [
        `[\`${name}\`](#${anchor(name)})`,
        who(accessOf(name)),
        firstSentence(comments.ofMethods.get(name) ?? "")
      ])
    ),
    ...sections
  )
}

const audienceOf = (name: EventName): string => {
  const { delivery } = EventTable[name]
  switch (delivery._tag) {
    case "targeted":
      return "one connection; the frame has no `seq`"
    case "subscribed":
      return `operators with \`${delivery.audience}\` that asked for it`
    case "broadcast":
      return delivery.audience === "everyone" ? "every connection" : `operators with \`${delivery.audience}\``
  }
}

const eventNames = Object.keys(EventTable) as ReadonlyArray<EventName>

export const undescribedEvents = (comments: Comments): ReadonlyArray<string> =>
  eventNames.filter((name) => (comments.ofEvents.get(name) ?? "") === "")

export const eventsPage = (comments: Comments, names: Names): string =>
  page(
    "Events",
    "What a Gateway tells without being asked. What is meant for many is numbered per connection by `seq`, so that a client notices what it missed.",
    table(
      ["event", "goes to", "what it tells"],
      eventNames.map((name) => [
        `[\`${name}\`](#${anchor(name)})`,
        audienceOf(name),
        firstSentence(comments.ofEvents.get(name) ?? "")
      ])
    ),
    ...eventNames.map((name) => {
      const { payload, ...row } = EventTable[name]
      const isNodes = "nodes" in row
      return [
        `## ${name}`,
        comments.ofEvents.get(name) ?? "",
        `Goes to ${audienceOf(name)}${isNodes ? ", and to every node" : ""}.${row.versioned ? " The frame carries `stateVersion`." : ""}`,
        named(payload.ast, comments.events.property(name), names),
        json({ type: "event", event: name, payload: example(`the event ${name}`, payload.ast) })
      ].join("\n\n")
    })
  )

/** Last, because it holds what the others linked to. */
export const shapesPage = (names: Names): string => {
  const done = new Map<string, string>()
  for (let todo = names.linked; todo.length > done.size; todo = names.linked) {
    for (const [name, { ast, place }] of todo) {
      if (!done.has(name)) done.set(name, fields(rowsOf(ast, "", place, names)))
    }
  }
  return page(
    "Shapes",
    "What several [methods](methods.md) and [events](events.md) have in common. They are Schemas within `MethodTable` and `EventTable` of `openclaw/protocol`.",
    ...names.linked.map(([name]) => `## ${name}\n\n${done.get(name) ?? ""}`)
  )
}

/** OpenClaw's published schema, as a yardstick. */
import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { Ajv } from "ajv"

const schema = JSON.parse(
  readFileSync(new URL("../../node_modules/@openclaw/gateway-protocol/protocol.schema.json", import.meta.url), "utf8")
) as { readonly $id: string; readonly definitions: Readonly<Record<string, unknown>> }

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

/**
 * Text that names something: bounded, well formed, without control characters.
 *
 * Only what a Gateway is sent is bounded so. What it answers and announces is not, so that a client of ours reads any
 * OpenClaw Gateway. Where the published schema has a limit of its own (512 for session keys and labels), it is that one.
 */
import * as Schema from "effect/Schema"

/** A control character or half of a surrogate pair: no name has one, and logs, files and terminals trip over them. */
const strange = /[\p{Cc}\p{Cs}]/u
const isClean = Schema.makeFilter((text: string) => !strange.test(text), {
  expected: "text without control characters and lone surrogates"
})

const atMost = (max: number) => Schema.String.pipe(Schema.check(Schema.isMaxLength(max), isClean))
const some = (max: number) => Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(max), isClean))

/** An id, a key, or a name of a method, command, channel, agent, model. */
export const Name = some(256)
/** The same, where empty means none. */
export const NameOrNone = atMost(256)
/** A session key, whole or short. */
export const SessionKeyText = some(512)
export const SessionKeyOrNone = atMost(512)
/** A label that people read. */
export const Label = some(512)
/** What people look for. */
export const SearchText = atMost(1024)
/** A destination on a channel. */
export const Address = some(1024)
export const AddressOrNone = atMost(1024)
/** What a program says of itself for people or models to read; it may have lines. */
export const Text = Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(4096)))

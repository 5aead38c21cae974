/** The wire in a browser: what a page needs to read and write frames, and nothing of Node. */
import * as Schema from "effect/Schema"
import { Frame, MethodTable } from "openclaw/protocol"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Frame.RequestFrame))

export const methods: number = MethodTable.methodNames.length
export const read = (text: string): Frame.RequestFrame => decode(text)

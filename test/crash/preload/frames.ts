/**
 * Points at the frames between Gateway and node that carry an invoke, and at the programs that a node starts. Frames are
 * recognized where every one of them comes by: as JSON text on its way out or in.
 */
import ChildProcess from "node:child_process"
import { syncBuiltinESMExports } from "node:module"
import Net from "node:net"
import { pass } from "./points.ts"

const frames = ["node.invoke.request", "node.invoke.result"] as const
/** The name of a frame stands near its beginning. */
const headChars = 200

const frameIn = (text: string): string | undefined => {
  const head = text.slice(0, headChars)
  return frames.find((frame) => head.includes(`"${frame}"`))
}

const parse = JSON.parse
JSON.parse = (text, reviver) => {
  const frame = typeof text === "string" ? frameIn(text) : undefined
  if (frame !== undefined) pass(`frame:${frame}:received`)
  return parse(text, reviver) as unknown
}

// A server's frames are not masked.
const write = Net.Socket.prototype.write
Net.Socket.prototype.write = function (this: Net.Socket, chunk: unknown, ...rest: ReadonlyArray<never>) {
  const text = typeof chunk === "string" ? chunk : chunk instanceof Uint8Array ? head(chunk) : ""
  const frame = frameIn(text)
  if (frame === undefined) return write.call(this, chunk as string, ...rest)
  pass(`frame:${frame}:before-send`)
  const result = write.call(this, chunk as string, ...rest)
  setImmediate(() => pass(`frame:${frame}:after-send`))
  return result
} as typeof write

const head = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, headChars)).toString("latin1")

// A client's are, so they are seen before they are.
const stringify = JSON.stringify
JSON.stringify = ((value: unknown, ...rest: ReadonlyArray<never>) => {
  const text = stringify(value, ...rest)
  if (typeof value === "object" && value !== null && "method" in value && value.method === "node.invoke.result") {
    pass("frame:node.invoke.result:before-send")
    setImmediate(() => pass("frame:node.invoke.result:after-send"))
  }
  return text
}) as typeof stringify

const { spawn } = ChildProcess
ChildProcess.spawn = ((...args: Parameters<typeof spawn>) => {
  pass("program:before-start")
  const child = spawn(...args)
  pass("program:after-start")
  child.once("exit", () => pass("program:ended"))
  return child
}) as typeof spawn
syncBuiltinESMExports()

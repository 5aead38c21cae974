/**
 * Points around each HTTP request that the process makes: before it is sent, after it was handed to the socket, after the
 * head of its answer, at the first chunks of the answer, after its end.
 */
import { channel } from "node:diagnostics_channel"
import type { ClientRequest, IncomingMessage } from "node:http"
import { pass } from "./points.ts"

/** Chunks beyond this one have no name of their own. */
const maxChunks = 6

const nameOf = (request: ClientRequest): string | undefined => {
  const { path } = request
  const method = /^\/bot[^/]+\/(\w+)/.exec(path)?.[1]
  if (method !== undefined) return `api:${method}`
  return path.endsWith("/chat/completions") ? "model" : undefined
}

channel("http.client.request.created").subscribe((message) => {
  const { request } = message as { readonly request: ClientRequest }
  const name = nameOf(request)
  if (name === undefined) return
  pass(`${name}:before-send`)
  request.once("finish", () => pass(`${name}:after-send`))
})

channel("http.client.response.finish").subscribe((message) => {
  const { request, response } = message as { readonly request: ClientRequest; readonly response: IncomingMessage }
  const name = nameOf(request)
  if (name === undefined) return
  pass(`${name}:answer-begins`)
  let chunks = 0
  const push = response.push
  response.push = function (chunk: unknown, encoding?: BufferEncoding) {
    if (chunk === null) pass(`${name}:answer-ends`)
    else if (++chunks <= maxChunks) pass(`${name}:chunk-${chunks}`)
    return push.call(this, chunk, encoding)
  }
  response.once("end", () => pass(`${name}:after-answer`))
})

/** `openclaw` against Gateways that are silent, slow, or die in the middle. */
import { createServer } from "node:http"
import { createServer as createTcp, type AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { home, run } from "../cli/kit.ts"
import { fakeGateway, hello, type Peer } from "./fakeGateway.ts"

const TIMEOUT = "400"
const ask = Effect.fnUntraced(function* (endpoint: string, ...args: ReadonlyArray<string>) {
  const folder = yield* home
  return yield* run({ home: folder }, ...args, "--url", endpoint, "--token", "canary-7713", "--timeout", TIMEOUT)
})

/** What the Gateway does with each connection, and what the command says of it. */
const cases: ReadonlyArray<readonly [string, (peer: Peer) => Effect.Effect<unknown>, RegExp]> = [
  ["says nothing", () => Effect.void, /no hello-ok within 400 ms/],
  ["does not answer the handshake", (peer) => peer.challenge, /no hello-ok within 400 ms/],
  ["says what is no frame", (peer) => peer.text("hello there"), /is no Gateway frame/],
  ["does not answer", (peer) => Effect.andThen(peer.welcome(), peer.next), /did not answer `node.list` within 400 ms/],
  [
    "dies under the call",
    (peer) => Effect.andThen(Effect.andThen(peer.welcome(), peer.next), peer.vanish),
    /code 1006\) before `node.list` was answered/
  ],
  [
    "starts again under the call",
    (peer) => Effect.andThen(Effect.andThen(peer.welcome(), peer.next), peer.close(1012, "service restart")),
    /1012: service restart\) before `node.list`/
  ],
  [
    "answers what does not fit",
    (peer) =>
      Effect.andThen(
        peer.welcome(),
        Effect.flatMap(peer.next, ({ id }) => peer.answer(id, 7))
      ),
    /was not understood: node.list/
  ],
  ["is of another version", (peer) => peer.welcome({ ...hello(), protocol: 5 }), /it speaks protocol 5/]
]

describe("a command whose Gateway", () => {
  it.live.each(cases)("%s ends, says why, and shows no secret", ([, play, said]) =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      yield* Effect.forkScoped(Effect.flatMap(gateway.accept, play))
      const { code, stderr, stdout } = yield* ask(gateway.endpoint, "nodes", "status", "--json")
      assert.strictEqual(code, 1)
      const text = `${stdout}${stderr}`
      assert.match(text, said)
      assert.match(text, /Fix: /)
      assert.notInclude(text, "canary")
    }).pipe(Effect.scoped)
  )

  const listening = (server: ReturnType<typeof createTcp>) =>
    Effect.acquireRelease(
      Effect.callback<string>((resume) => {
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`))
        )
      }),
      () => Effect.sync(() => void server.close())
    )

  it.live("is no Gateway at all is told from one that is silent", () =>
    Effect.gen(function* () {
      const web = yield* listening(createServer((_, response) => response.writeHead(404).end("no")))
      assert.include((yield* ask(web, "nodes", "status")).stderr, "another program answers there")
      const mute = yield* listening(createTcp((socket) => socket.on("error", () => {})))
      assert.include((yield* ask(mute, "nodes", "status")).stderr, "no hello-ok within 400 ms")
    }).pipe(Effect.scoped)
  )
})

/** What the holder of a tunnel tells others, and what neither end puts up with. */
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Files from "../../src/client/tunnel/sharedFiles.ts"
import * as Socket from "../../src/client/tunnel/sharedSocket.ts"
import { SshTarget } from "../../src/domain/SshTarget.ts"
import {
  KnownGatewaysUnusable,
  SshAuthFailed,
  SshHostKeyRejected,
  type TunnelError,
  type TunnelState,
  type TunnelStatus,
  WrongGateway
} from "../../src/services/TunnelManager.ts"

const target = SshTarget.make("me@box:22")

const place = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  return { fs, folder, name: "a.sock", file: path.join(folder, "a.sock") }
})

/** A connection that says what a test makes it say; gives when it was ended. */
const raw = (file: string, text: string) =>
  Effect.callback<void>((resume) => {
    const socket = Net.connect(file, () => socket.write(text))
    socket.resume()
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.void))
    return Effect.sync(() => socket.destroy())
  })

const live = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, NodeServices.layer)

describe("the socket of a tunnel's holder", () => {
  it.live("tells whoever comes, whoever asks, and all when it changes; what a dead one left is replaced", () =>
    live(
      Effect.gen(function* () {
        const at = yield* place
        Fs.writeFileSync(at.file, "left")
        let status = '{"a":1}'
        const { publish } = yield* Socket.serve(at, () => status)
        assert.strictEqual(Fs.statSync(at.file).mode & 0o777, 0o600)
        const readers = [yield* Socket.connect(at), yield* Socket.connect(at)]
        const heard = Effect.forEach(readers, (reader) => reader.heard)
        assert.deepStrictEqual(yield* heard, [
          { asked: undefined, status },
          { asked: undefined, status }
        ])
        yield* readers[1]?.ask(7) ?? Effect.void
        assert.deepStrictEqual(yield* readers[1]?.heard ?? Effect.void, { asked: 7, status })
        status = '{"a":2}'
        yield* publish
        assert.deepStrictEqual(
          (yield* heard).map((one) => one.status),
          [status, status]
        )
      })
    )
  )

  it.live("ends with its scope, and with it every connection and the file", () =>
    live(
      Effect.gen(function* () {
        const at = yield* place
        const serving = yield* Scope.make()
        yield* Scope.provide(
          Socket.serve(at, () => "{}"),
          serving
        )
        const link = yield* Socket.connect(at)
        yield* link.heard
        yield* Scope.close(serving, Exit.void)
        assert.strictEqual((yield* Effect.flip(link.heard))._tag, "SharedSocketClosed")
        assert.isFalse(Fs.existsSync(at.file))
        assert.strictEqual((yield* Effect.flip(Effect.scoped(Socket.connect(at))))._tag, "SharedSocketClosed")
      })
    )
  )

  it.live("drops who asks what cannot be asked at length, and takes no notice of other questions", () =>
    live(
      Effect.gen(function* () {
        const at = yield* place
        yield* Socket.serve(at, () => "{}")
        const link = yield* Socket.connect(at)
        yield* raw(at.file, "x".repeat(100))
        yield* raw(at.file, `${"9".repeat(17)}\n`)
        yield* Effect.scoped(Effect.forkScoped(raw(at.file, "GET / HTTP/1.1\n\n\u0000\n")))
        yield* link.heard
        yield* link.ask(1)
        assert.strictEqual((yield* link.heard).asked, 1)
      })
    )
  )

  it.live("is no holder's where a line does not end", () =>
    live(
      Effect.gen(function* () {
        const at = yield* place
        yield* Socket.serve(at, () => `{${"x".repeat(70_000)}`)
        const link = yield* Socket.connect(at)
        assert.strictEqual((yield* Effect.flip(link.heard))._tag, "SharedSocketClosed")
      })
    )
  )
})

describe("the status of a tunnel", () => {
  const errors = {
    auth: (detail: string) => new SshAuthFailed({ target, detail }),
    key: () => new SshHostKeyRejected({ target, changed: true }),
    known: (detail: string) => new KnownGatewaysUnusable({ path: detail, detail }),
    other: (found: string) => new WrongGateway({ target, found })
  }
  const state = (tag: TunnelState["_tag"], generation: number, error: TunnelError): TunnelState => {
    switch (tag) {
      case "Up":
        return { _tag: tag, generation, since: generation, localPort: 1, roundTripMs: generation, gateway: error._tag }
      case "Waiting":
        return { _tag: tag, generation, delayMs: 1, error }
      case "Connecting":
        return { _tag: tag, generation, error: undefined }
      case "Stopped":
        return { _tag: tag, generation, error }
    }
  }

  it.prop(
    "reads back as it was written",
    [
      Schema.Literals(["Connecting", "Stopped", "Up", "Waiting"]),
      Schema.Literals(["auth", "key", "known", "other"]),
      Schema.Natural,
      Schema.String
    ],
    ([tag, kind, number, text]) => {
      const error = errors[kind](text)
      const status: TunnelStatus = {
        version: 1,
        target,
        remotePort: 2,
        localPort: 3,
        hostKeyPolicy: "strict",
        identityFile: text,
        pid: number + 1,
        program: text,
        heldSince: number,
        state: state(tag, number, error),
        reconnects: number,
        lastError: { at: number, error }
      }
      const written = Files.encodeStatus(status)
      const read = Option.getOrThrow(Files.decodeStatus(written))
      assert.strictEqual(Files.encodeStatus(read), written)
      assert.strictEqual(read.lastError?.error.message, error.message)
      assert.notInclude(written, "\n")
    }
  )

  it.prop("is nothing else", [Schema.String], ([text]) => {
    assert.isTrue(Option.isNone(Files.decodeStatus(text)))
  })
})

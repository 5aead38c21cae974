/**
 * Archives that are not what they say: nothing of them is written that their manifest does not tell, and a full or odd disk
 * is noticed.
 */
import { createHash } from "node:crypto"
import fs, * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as Os from "node:os"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { write } from "../../src/layers/backup/archive.ts"
import { encode, type Manifest } from "../../src/layers/backup/Manifest.ts"
import { encodeHeader, ending, padding } from "../../src/layers/backup/tar.ts"
import { unpack } from "../../src/layers/backup/unpack.ts"

const place = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-archives-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

const entry = (name: string, body: string) => {
  const bytes = Buffer.from(body)
  return Buffer.concat([encodeHeader({ name, size: bytes.length }, 0)!, bytes, padding(bytes.length)])
}

const fileOf = (path: string, body: string): Manifest["files"][number] => ({
  path,
  kind: "file",
  size: Buffer.byteLength(body),
  sha256: createHash("sha256").update(body).digest("hex")
})

const manifestOf = (...files: ReadonlyArray<Manifest["files"][number]>) =>
  encode({
    schemaVersion: 1,
    product: "openclaw-effect",
    version: "1",
    createdAt: "2026-01-01T00:00:00.000Z",
    platform: "linux",
    stateDir: "/s",
    configFile: "/s/openclaw.json",
    databaseSchema: 1,
    gatewayRunning: false,
    files,
    skipped: []
  })

/** Why an archive is refused, and what was written until then; `undefined` when it was not. */
const refusal = Effect.fnUntraced(function* (parts: ReadonlyArray<Buffer>) {
  const folder = yield* place
  const [archive, into] = [Path.join(folder, "a.tar.gz"), Path.join(folder, "into")]
  Fs.mkdirSync(into)
  Fs.writeFileSync(archive, gzipSync(Buffer.concat([...parts, ending])))
  const message = yield* unpack(archive, into).pipe(
    Effect.match({ onFailure: (error) => error.message, onSuccess: () => undefined })
  )
  return { message, written: Fs.readdirSync(into, { recursive: true }).length }
})

/** Replaces a function of `node:fs` until the scope closes. */
const replaced = <K extends "writeSync" | "copyFileSync">(name: K, by: (typeof fs)[K]) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const original = fs[name]
      fs[name] = by
      syncBuiltinESMExports()
      return original
    }),
    (original) =>
      Effect.sync(() => {
        fs[name] = original
        syncBuiltinESMExports()
      })
  )

describe("reading an archive", () => {
  const a = fileOf("payload/a", "hello")
  const manifest = entry("x/manifest.json", manifestOf(a))
  const refused: Readonly<Record<string, readonly [ReadonlyArray<Buffer>, string]>> = {
    "what has no manifest at its beginning": [[entry("x/payload/a", "hello"), manifest], "no manifest"],
    "a manifest of two gigabytes": [
      [encodeHeader({ name: "x/manifest.json", size: 2 ** 31 }, 0)!, Buffer.alloc(2_000_000)],
      "its manifest has 2147483648 bytes"
    ],
    "a manifest of another form": [[entry("x/manifest.json", '{"schemaVersion":1}')], "of another form"],
    "a manifest that tells a file twice": [[entry("x/manifest.json", manifestOf(a, a))], "tells a file twice"],
    "more than there is room for": [
      [entry("x/manifest.json", manifestOf({ ...a, size: 2 ** 52 }, fileOf("payload/b", "b")))],
      "Fix: make room"
    ],
    "a file that the manifest does not tell": [[manifest, entry("x/payload/b", "more")], "does not name"],
    "a file beside the root folder": [[manifest, entry("y/payload/a", "hello")], "does not name"],
    "a longer file than was told": [[manifest, entry("x/payload/a", "hello, hello")], "has 12 bytes, not 5"],
    "a name that leads out": [
      [entry("x/manifest.json", manifestOf(fileOf("../../evil", "e"))), entry("x/../../evil", "e")],
      "is not safe"
    ],
    "a second manifest": [[manifest, manifest], "is in it twice"],
    "what lacks a file": [[manifest], "payload/a is missing"]
  }
  for (const [what, [parts, expected]] of Object.entries(refused)) {
    it.live(`refuses ${what}, and writes nothing`, () =>
      Effect.gen(function* () {
        const { message, written } = yield* refusal(parts)
        assert.include(message, expected)
        assert.strictEqual(written, 0)
      }).pipe(Effect.scoped)
    )
  }

  it.live("refuses a file of other content", () =>
    Effect.gen(function* () {
      assert.include((yield* refusal([manifest, entry("x/payload/a", "hellO")])).message, "SHA-256")
      assert.isUndefined((yield* refusal([manifest, entry("x/payload/a", "hello")])).message)
    }).pipe(Effect.scoped)
  )

  it.live("writes all of a file where the system takes it in pieces", () =>
    Effect.gen(function* () {
      const original = fs.writeSync
      const inPieces = (fd: number, bytes: NodeJS.ArrayBufferView, at?: number | null) =>
        original(fd, bytes, at ?? 0, 1)
      yield* replaced("writeSync", inPieces as typeof fs.writeSync)
      assert.isUndefined((yield* refusal([manifest, entry("x/payload/a", "hello")])).message)
    }).pipe(Effect.scoped)
  )

  it.live("takes the sum of what is on the disk", () =>
    Effect.gen(function* () {
      const original = fs.writeSync
      // Only the file's own content is lost.
      const lost = (fd: number, bytes: NodeJS.ArrayBufferView, at?: number | null) =>
        bytes.byteLength === "hello".length ? bytes.byteLength : original(fd, bytes, at ?? 0)
      yield* replaced("writeSync", lost as typeof fs.writeSync)
      assert.include((yield* refusal([manifest, entry("x/payload/a", "hello")])).message, "SHA-256")
    }).pipe(Effect.scoped)
  )
})

describe("writing an archive", () => {
  it.live("notices a file that changed, and a name without place; there is no archive then", () =>
    Effect.gen(function* () {
      const folder = yield* place
      const [file, archive] = [Path.join(folder, "f"), Path.join(folder, "a.tar.gz")]
      Fs.writeFileSync(file, "hello")
      const changed = yield* Effect.flip(write(archive, `${archive}.1`, [{ name: "x", file, size: 4 }], 0))
      assert.include(changed.message, "changed while it was archived")
      const long = yield* Effect.flip(write(archive, `${archive}.2`, [{ name: "x".repeat(200), file, size: 5 }], 0))
      assert.include(long.message, "too long")
      assert.isFalse(Fs.existsSync(archive))
      yield* write(archive, `${archive}.3`, [{ name: "x", file, size: 5 }], 0)
      assert.strictEqual(Fs.statSync(archive).mode & 0o777, 0o600)
      const again = yield* Effect.flip(write(archive, `${archive}.4`, [{ name: "x", file, size: 5 }], 0))
      assert.strictEqual(again.code, "EEXIST")
    }).pipe(Effect.scoped)
  )
})

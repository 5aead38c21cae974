/**
 * The certificate that a Gateway shows, its key, and what else its files say: read and checked as one.
 */
import { hostname } from "node:os"
import { dirname } from "node:path"
import { createSecureContext, type SecureContextOptions } from "node:tls"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { TlsFingerprint } from "../../../domain/TlsFingerprint.ts"
import { TlsUnusable } from "../../../services/Gateway.ts"
import { withSyncedCopy } from "../../state-dir/privateFiles.ts"
import { lanAddress } from "../lan.ts"
import { certificateIn } from "./certificate.ts"
import { selfSigned } from "./selfSigned.ts"

/** Absolute paths, and whether a missing pair is made. */
export interface TlsFiles {
  readonly certPath: string
  readonly keyPath: string
  /** Authorities that are needed to complete the chain. */
  readonly caPath?: string | undefined
  readonly autoGenerate: boolean
}

export interface Material {
  /** Cert and key in PEM; checked to belong together. */
  readonly context: SecureContextOptions
  readonly fingerprint: TlsFingerprint
  /** Unix milliseconds. */
  readonly validTo: number
}

const readText = (fs: FileSystem.FileSystem, path: string, what: string) =>
  Effect.mapError(
    fs.readFileString(path),
    ({ reason }) =>
      new TlsUnusable({
        path,
        problem: reason._tag === "NotFound" ? `the ${what} is not there` : `the ${what} cannot be read`
      })
  )

/** What a library says of a file may hold parts of it, so only that it failed is told. */
const whole = (files: TlsFiles, context: { readonly cert: string; readonly key: string; readonly ca?: string }) =>
  Effect.gen(function* () {
    const certificate = yield* Effect.mapError(
      Effect.fromOption(certificateIn(context.cert)),
      () => new TlsUnusable({ path: files.certPath, problem: "it holds no certificate in PEM" })
    )
    yield* Effect.try({
      try: () => createSecureContext(context),
      catch: () => new TlsUnusable({ path: files.keyPath, problem: "it is not the key of the certificate" })
    })
    return { context, ...certificate }
  })

/** Reads and checks the files as they are now. */
export const read = Effect.fnUntraced(function* (
  files: TlsFiles
): Effect.fn.Return<Material, TlsUnusable, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const cert = yield* readText(fs, files.certPath, "certificate")
  const key = yield* readText(fs, files.keyPath, "key")
  const ca = files.caPath === undefined ? {} : { ca: yield* readText(fs, files.caPath, "bundle of authorities") }
  return yield* whole(files, { cert, key, ...ca })
})

/** The names by which this machine may be reached; a client that has the fingerprint does not look at them. */
const ownNames = (): ReadonlyArray<string> => {
  const name = hostname().toLowerCase()
  const names = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name) ? [name, `${name}.local`] : []
  const address = lanAddress()
  return Array.from(new Set(["localhost", "127.0.0.1", "::1", ...names, ...(address === undefined ? [] : [address])]))
}

/** Makes a pair where neither file is there. What stands at either path is never replaced. */
const generate = Effect.fnUntraced(function* (files: TlsFiles) {
  const fs = yield* FileSystem.FileSystem
  const made = yield* Effect.mapError(
    selfSigned(ownNames(), yield* Clock.currentTimeMillis),
    () => new TlsUnusable({ path: files.certPath, problem: "it cannot be made" })
  )
  const write = (file: string, content: string) =>
    Effect.mapError(
      Effect.andThen(
        fs.makeDirectory(dirname(file), { recursive: true, mode: 0o700 }),
        withSyncedCopy(fs, file, content, (temporary) => fs.link(temporary, file))
      ),
      () => new TlsUnusable({ path: file, problem: "it cannot be made" })
    )
  yield* write(files.keyPath, made.key)
  yield* write(files.certPath, made.cert)
  yield* Effect.logInfo(`made a self-signed certificate: ${files.certPath}`)
})

const isMissing = Effect.fnUntraced(function* (files: TlsFiles) {
  const fs = yield* FileSystem.FileSystem
  const there = (path: string) => Effect.orElseSucceed(fs.exists(path), () => true)
  return !(yield* there(files.certPath)) && !(yield* there(files.keyPath))
})

/** Whether a Gateway that starts with these files would have a certificate. Makes nothing. */
export const check = Effect.fnUntraced(function* (
  files: TlsFiles
): Effect.fn.Return<void, TlsUnusable, FileSystem.FileSystem> {
  if (files.autoGenerate && (yield* isMissing(files))) return
  yield* read(files)
})

/** The same at a Gateway's start: a pair that is missing altogether is made, if it may be. */
export const load = Effect.fnUntraced(function* (
  files: TlsFiles
): Effect.fn.Return<Material, TlsUnusable, FileSystem.FileSystem> {
  if (files.autoGenerate && (yield* isMissing(files))) yield* generate(files)
  const material = yield* read(files)
  if (material.validTo < (yield* Clock.currentTimeMillis)) {
    yield* Effect.logWarning(`the certificate ${files.certPath} has expired; only clients that pin it will connect`)
  }
  return material
})

/**
 * What a backup says of itself: `manifest.json`, the first file of its archive.
 */
import * as Schema from "effect/Schema"

/** Where the state directory's files are in the archive, and a configuration file that lies elsewhere. */
export const STATE = "payload/state"
export const CONFIG = "payload/config/openclaw.json"

export const ManifestFile = Schema.Struct({
  /** In the archive, without its root folder. */
  path: Schema.NonEmptyString,
  /** A database was copied as it was at one instant, with what its log held; every other file as its bytes were. */
  kind: Schema.Literals(["file", "database"]),
  size: Schema.Natural,
  sha256: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)))
})

export const Manifest = Schema.Struct({
  schemaVersion: Schema.Literal(1),
  /** Which program made it: OpenClaw's own archives look alike and hold something else. */
  product: Schema.Literal("openclaw-effect"),
  version: Schema.String,
  /** ISO 8601, UTC. */
  createdAt: Schema.String,
  platform: Schema.String,
  stateDir: Schema.String,
  configFile: Schema.String,
  /** Number of the newest migration of the state database. */
  databaseSchema: Schema.Natural,
  /** A Gateway was running, so it went on after this snapshot. */
  gatewayRunning: Schema.Boolean,
  files: Schema.Array(ManifestFile),
  /** What lies in the state directory and is neither a file nor a folder, or is nobody's to keep. */
  skipped: Schema.Array(Schema.String)
})
export type Manifest = typeof Manifest.Type

const ManifestJson = Schema.fromJsonString(Manifest)
export const decode = Schema.decodeUnknownEffect(ManifestJson)
export const encode = (manifest: Manifest): string => `${JSON.stringify(manifest)}\n`

/** Bytes that a manifest has at most: it is read before anything of an archive is believed. */
export const MANIFEST_MOST = 1_000_000

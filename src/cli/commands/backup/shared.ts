/**
 * What the backup commands have in common.
 */
import * as NodePath from "node:path"
import * as Effect from "effect/Effect"
import type { Manifest } from "../../../layers/backup/Manifest.ts"
import { Environment } from "../../Environment.ts"

/** A path as it was typed, absolute. */
export const absolute = (path: string) =>
  Effect.map(Environment, ({ cwd, home }) =>
    /^~(?=$|[/\\])/.test(path) ? NodePath.join(home, path.slice(1)) : NodePath.resolve(cwd, path)
  )

/** A backup in short, for `--json`. */
export const summary = (archive: string, manifest: Manifest) => ({
  archivePath: archive,
  createdAt: manifest.createdAt,
  version: manifest.version,
  databaseSchema: manifest.databaseSchema,
  gatewayRunning: manifest.gatewayRunning,
  files: manifest.files.length,
  databases: manifest.files.filter(({ kind }) => kind === "database").length,
  containsCredentials: true,
  skipped: manifest.skipped
})

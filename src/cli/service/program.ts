/**
 * The program as a service is to find it in a year: absolute paths that stay.
 */
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { Environment } from "../Environment.ts"

/** The program runs from a place that is cleaned up, such as the cache of `npx`. */
export class EphemeralProgram extends Schema.TaggedError<EphemeralProgram>()("EphemeralProgram", {
  path: Schema.String
}) {
  override get message() {
    return `${this.path} is in a cache that is cleaned up, and a service started from there would be gone one day.\nFix: install the program (\`npm install --global <package>\`), then run this command again with the one that is installed.`
  }
}

/** The program is not where it says. */
export class ProgramMissing extends Schema.TaggedError<ProgramMissing>()("ProgramMissing", { path: Schema.String }) {
  override get message() {
    return `${this.path} cannot be found, so that no service can start it.\nFix: install the program (\`npm install --global <package>\`), and run this command with the one that is installed.`
  }
}

/** Where `npx`, `pnpm dlx`, `yarn dlx` and `bunx` keep what they run once. */
const EPHEMERAL = /[/\\](?:_npx|dlx|dlx-[^/\\]*|xfs-[^/\\]*|bunx-[^/\\]*)[/\\]/

const isEphemeral = (path: string): boolean => EPHEMERAL.test(path)

/** Homebrew's folder of one version goes away with the next; its link to the current one stays. */
const cellar = /^(.*)\/Cellar\/(node(?:@\d+)?)\/[^/]+\/bin\/node$/

const stableNode = Effect.fnUntraced(function* (execPath: string) {
  const fs = yield* FileSystem.FileSystem
  const [, prefix, formula] = cellar.exec(execPath) ?? []
  if (prefix === undefined || formula === undefined) return execPath
  const link = `${prefix}/opt/${formula}/bin/node`
  return (yield* Effect.orElseSucceed(fs.exists(link), () => false)) ? link : execPath
})

/** Node, and the program that it runs. */
export const installedProgram = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { cwd, entry, execPath } = yield* Environment
  const given = isAbsolute(entry) ? entry : resolve(cwd, entry)
  // A link in a `bin` folder may be one of several; what it leads to is the program.
  const program = yield* Effect.mapError(fs.realPath(given), () => new ProgramMissing({ path: given }))
  // `npx` in a checkout runs a link of its cache to the checkout, which stays.
  const ephemeral = [program, execPath].find(isEphemeral)
  if (ephemeral !== undefined) return yield* new EphemeralProgram({ path: ephemeral })
  return { node: yield* stableNode(execPath), program }
})

/** The same for every shell that asks, so that a service is not another one because somebody else's `PATH` is. */
export const servicePath = (node: string, home: string): string =>
  [
    ...new Set([
      dirname(node),
      join(home, ".local", "bin"),
      "/opt/homebrew/bin",
      "/usr/local/sbin",
      "/usr/local/bin",
      "/usr/sbin",
      "/usr/bin",
      "/sbin",
      "/bin"
    ])
  ]
    .filter((folder) => process.platform === "darwin" || folder !== "/opt/homebrew/bin")
    .join(delimiter)

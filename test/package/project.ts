/**
 * An empty project beside this checkout, and the package as somebody gets it: made by `npm pack`, installed by npm.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "../interop/Command.ts"

export const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** What was looked at is not as it must be. */
export class Broken extends Schema.TaggedError<Broken>()("Broken", { message: Schema.String }) {}

export const broken = (message: string) => new Broken({ message })

export const mustBe = (holds: boolean, message: string) => (holds ? Effect.void : Effect.fail(broken(message)))

/** Runs it; anything but success is `Broken` with what it said. */
export const succeed = Effect.fnUntraced(function* (invocation: Command.Invocation) {
  const ended = yield* Command.run(invocation)
  if (ended.code === 0) return ended
  const called = [Path.basename(invocation.program), ...invocation.args].join(" ")
  return yield* broken(`\`${called}\` ended with ${ended.code}:\n${ended.stdout}${ended.stderr}`)
})

/**
 * How this machine reaches the registry. `npm run` says where the machine's own npm settings are, which an npm on another Node
 * looks for beside that Node.
 */
const PASSED_ON = [
  "npm_config_globalconfig",
  "npm_config_userconfig",
  "NODE_EXTRA_CA_CERTS",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy"
]

/** npm has the machine's registry and cache, and nothing else of it. */
const npmEnvironment = Effect.gen(function* () {
  const given = yield* Effect.forEach(PASSED_ON, (name) =>
    Effect.map(Effect.orDie(Config.option(Config.String(name))), (value) =>
      Option.match(value, { onNone: () => [], onSome: (text) => [[name, text] as const] })
    )
  )
  const env = { ...Object.fromEntries(given.flat()), HOME: yield* Effect.orDie(Config.String("HOME")) }
  const cache = (yield* Command.run({ program: "npm", args: ["config", "get", "cache"], env })).stdout
  return { ...env, npm_config_cache: cache.trim(), npm_config_prefer_offline: "true", CI: "true" }
})

export const npm = Effect.fnUntraced(function* (cwd: string, ...args: ReadonlyArray<string>) {
  return yield* succeed({ program: "npm", args, cwd, env: yield* npmEnvironment })
})

export const temporary = (name: string) =>
  Effect.acquireRelease(
    // The real path, because a linked one shows in messages.
    Effect.sync(() => Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), `openclaw-${name}-`)))),
    (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
  )

export interface Tarball {
  readonly file: string
  readonly packedBytes: number
  readonly unpackedBytes: number
  readonly files: ReadonlyArray<string>
}

const decodePacked = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Tuple([
      Schema.Struct({
        filename: Schema.String,
        size: Schema.Int,
        unpackedSize: Schema.Int,
        files: Schema.Array(Schema.Struct({ path: Schema.String }))
      })
    ])
  )
)

/** `npm pack`, which builds first. */
export const pack = Effect.fnUntraced(function* (into: string) {
  const { stdout } = yield* npm(ROOT, "pack", "--json", "--silent", "--pack-destination", into)
  const [packed] = decodePacked(stdout.slice(stdout.indexOf("[")))
  const tarball: Tarball = {
    file: Path.join(into, packed.filename),
    packedBytes: packed.size,
    unpackedBytes: packed.unpackedSize,
    files: packed.files.map(({ path }) => path)
  }
  return tarball
})

const bytesIn = (folder: string): number =>
  Fs.readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + Fs.statSync(Path.join(entry.parentPath, entry.name)).size, 0)

const decodeInstalled = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ packages: Schema.Record(Schema.String, Schema.Unknown) }))
)

/** How much an installation is. */
export const installed = (project: string) =>
  Effect.sync(() => {
    const modules = Path.join(project, "node_modules")
    const { packages } = decodeInstalled(Fs.readFileSync(Path.join(modules, ".package-lock.json"), "utf8"))
    return { packages: Object.keys(packages).length, bytes: bytesIn(modules) }
  })

/** An empty project, until the scope closes. */
export const emptyProject = Effect.fnUntraced(function* (name: string) {
  const project = yield* temporary(name)
  yield* Effect.sync(() =>
    Fs.writeFileSync(Path.join(project, "package.json"), JSON.stringify({ name, private: true, type: "module" }))
  )
  return project
})

const decodeOwn = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({ version: Schema.String, devDependencies: Schema.Record(Schema.String, Schema.String) })
  )
)

/** This checkout's package.json. */
export const own = decodeOwn(Fs.readFileSync(Path.join(ROOT, "package.json"), "utf8"))

/** `name@version` as this checkout has it. */
export const pinned = (name: string): string => {
  const version = own.devDependencies[name] ?? "latest"
  return `${name}@${version}`
}

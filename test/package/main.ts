/**
 * `npm run package`: packs the package as `npm publish` would, looks at it, installs it into empty projects and uses it in
 * each of its ways: as a program, as a Layer in an Effect app, as a test kit, and its protocol in a browser.
 *
 *   --tarball <file>  an existing tarball instead of a new one; its sizes are not looked at
 *   --json            the sizes as JSON
 *
 * Ends with 1 when something does not work or is larger than `budgets.json` allows.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as CommandLine from "./commandLine.ts"
import * as Library from "./library.ts"
import * as Project from "./project.ts"

const { values: flags } = parseArgs({
  options: { tarball: { type: "string" }, json: { type: "boolean", default: false } }
})

const Sizes = Schema.Struct({
  tarballKiB: Schema.Finite,
  unpackedKiB: Schema.Finite,
  aloneKiB: Schema.Finite,
  alonePackages: Schema.Finite,
  withPeersKiB: Schema.Finite,
  withPeersPackages: Schema.Finite,
  protocolInBrowserKiB: Schema.Finite,
  oneKeyKiB: Schema.Finite
})
type Size = keyof typeof Sizes.Type

const budgets = Schema.decodeUnknownSync(Schema.fromJsonString(Sizes))(
  Fs.readFileSync(new URL("budgets.json", import.meta.url), "utf8")
)

const measured = new Map<Size, number>()
const failures: Array<string> = []
const say = (line: string) => Console.error(line)

const kib = (bytes: number) => Math.round(bytes / 1024)

const measure = (name: Size, value: number) =>
  Effect.suspend(() => {
    measured.set(name, value)
    if (value <= budgets[name]) return say(`   ${name.padEnd(22)} ${value} (at most ${budgets[name]})`)
    failures.push(name)
    return say(`   ${name} is ${value}, over its budget of ${budgets[name]} (test/package/budgets.json).`)
  })

/** One check: what fails is told and the rest goes on. */
const check = <A>(name: string, effect: Effect.Effect<A, Project.Broken, Scope.Scope>) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(Effect.scoped(effect))
    const seconds = (((yield* Clock.currentTimeMillis) - began) / 1000).toFixed(1)
    if (Exit.isSuccess(exit)) return yield* say(`ok ${name} (${seconds} s)`)
    failures.push(name)
    const error = Cause.squash(exit.cause)
    yield* say(`FAILED ${name}: ${error instanceof Project.Broken ? error.message : Cause.pretty(exit.cause)}`)
  })

const tool = (name: string, ...args: ReadonlyArray<string>) =>
  Project.succeed({
    program: Path.join(Project.ROOT, "node_modules", ".bin", name),
    args,
    cwd: Project.ROOT,
    env: { CI: "true" }
  })

const SHIPPED = ["LICENSE", "README.md", "bin/openclaw.js", "dist/THIRD-PARTY-NOTICES.txt", "dist/lib/index.d.ts"]
const KEPT =
  /^(src|test|tools|bench|examples|node_modules)\/|(^|\/)(\.env|\.npmrc|.*\.(map|tgz|test\.[jt]s))$|^dist\/lib\/cli\//

const contents = ({ files }: Project.Tarball) =>
  Effect.gen(function* () {
    const missing = SHIPPED.filter((path) => !files.includes(path))
    yield* Project.mustBe(missing.length === 0, `not in the tarball: ${missing.join(", ")}`)
    const alien = files.filter((path) => KEPT.test(path))
    yield* Project.mustBe(alien.length === 0, `in the tarball and nobody's there: ${alien.join(", ")}`)
  })

const install = (project: string, ...packages: ReadonlyArray<string>) =>
  Project.npm(project, "install", "--no-audit", "--no-fund", "--ignore-scripts", ...packages)

const alone = Effect.fnUntraced(function* (file: string) {
  const project = yield* Project.emptyProject("alone")
  yield* check("npm install of the tarball alone", install(project, file))
  const { bytes, packages } = yield* Project.installed(project)
  yield* measure("aloneKiB", kib(bytes))
  yield* measure("alonePackages", packages)
  yield* check("npx openclaw --version", CommandLine.version(project))
  yield* check("gateway run, health, stop", CommandLine.run(project))
  yield* check("npx openclaw demo", CommandLine.demo(project))
  yield* check("a Node that is too old is told so", CommandLine.tooOldNode(project))
  yield* check("a library without its peers names them", CommandLine.withoutPeers(project))
})

const PEERS = ["effect", "@effect/platform-node"]
const TOOLS = ["@effect/vitest", "vitest", "@types/node"]

const withPeers = Effect.fnUntraced(function* (file: string) {
  const project = yield* Project.emptyProject("app")
  yield* check("npm install with the peers", install(project, file, ...PEERS.map(Project.pinned)))
  const { bytes, packages } = yield* Project.installed(project)
  yield* measure("withPeersKiB", kib(bytes))
  yield* measure("withPeersPackages", packages)
  yield* check("npm install of what tests need", install(project, "--save-dev", ...TOOLS.map(Project.pinned)))
  yield* Library.fill(project)
  yield* check("a strict project compiles", Library.types(project))
  yield* check("a Layer in an Effect app", Library.app(project))
  yield* check("the examples", Library.examples(project))
  yield* check("the test kit in the project's own tests", Library.kit(project))
  yield* check(
    "openclaw/protocol in a browser",
    Effect.gen(function* () {
      const { bytes: size, code } = yield* Library.bundle(project, "wire.ts")
      yield* measure("protocolInBrowserKiB", kib(size))
      yield* Library.inBrowser(project, code)
    })
  )
  yield* check(
    "what an app does not use stays out of its bundle",
    Effect.flatMap(Library.bundle(project, "key.ts", [/^node:/]), ({ bytes: size }) => measure("oneKeyKiB", kib(size)))
  )
})

const main = Effect.gen(function* () {
  const folder = yield* Project.temporary("tarball")
  const file = flags.tarball
  const made = file === undefined ? yield* Project.pack(folder) : undefined
  const tarball = file === undefined ? made?.file : Path.resolve(file)
  if (tarball === undefined) return
  if (made !== undefined) {
    yield* measure("tarballKiB", kib(made.packedBytes))
    yield* measure("unpackedKiB", kib(made.unpackedBytes))
    yield* check("what is in the tarball", contents(made))
  }
  yield* check("publint", tool("publint", "--strict", tarball))
  yield* check("are the types wrong?", tool("attw", "--profile", "esm-only", "--no-emoji", tarball))
  yield* alone(tarball)
  yield* withPeers(tarball)
  if (flags.json) yield* Console.log(JSON.stringify(Object.fromEntries(measured), undefined, 2))
  yield* say(failures.length === 0 ? "the package is whole" : `${failures.length} failed: ${failures.join("; ")}`)
  yield* Effect.sync(() => void (process.exitCode = failures.length === 0 ? 0 : 1))
})

NodeRuntime.runMain(Effect.scoped(main))

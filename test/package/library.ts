/**
 * The second and the third way: a Layer in an Effect app, and the test kit, in a project that has the peers too.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import { rolldown } from "rolldown"
import * as Command from "../interop/Command.ts"
import { broken, mustBe, ROOT, succeed, temporary } from "./project.ts"

/** As strict as a project may be. */
const TSCONFIG = {
  compilerOptions: {
    target: "ES2023",
    module: "NodeNext",
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    allowImportingTsExtensions: true,
    noEmit: true
  },
  include: ["*.ts", "examples"]
}

/** Puts the programs of `consumer/` and the examples into the project. */
export const fill = (project: string) =>
  Effect.sync(() => {
    Fs.cpSync(Path.join(ROOT, "test", "package", "consumer"), project, { recursive: true })
    Fs.cpSync(Path.join(ROOT, "examples"), Path.join(project, "examples"), { recursive: true })
    Fs.writeFileSync(Path.join(project, "tsconfig.json"), JSON.stringify(TSCONFIG))
  })

/** Type-checks it, our declarations included. What the declarations of others get wrong is theirs. */
export const types = Effect.fnUntraced(function* (project: string) {
  const { code, stderr, stdout } = yield* Command.run({
    program: "node",
    args: [Path.join(ROOT, "node_modules", "@typescript", "native", "bin", "tsc"), "-p", project, "--pretty", "false"],
    cwd: project,
    env: {}
  })
  const wrong = stdout
    .split("\n")
    .filter(
      (line) =>
        /^\S.*error TS/.test(line) && (!line.startsWith("node_modules/") || line.includes("node_modules/openclaw/"))
    )
  yield* mustBe(wrong.length === 0, `the project does not compile:\n${wrong.join("\n")}`)
  yield* mustBe(code === 0 || stdout.includes("error TS"), `the compiler ended with ${code}:\n${stdout}${stderr}`)
})

/** The app that has the Gateway as a Layer. */
export const app = Effect.fnUntraced(function* (project: string) {
  const env = { HOME: yield* temporary("home") }
  const { stdout } = yield* succeed({ program: "node", args: ["layer.ts"], cwd: project, env })
  yield* mustBe(stdout.includes("Good evening, app."), `the app said:\n${stdout}`)
})

/** Each example, run to its end. */
export const examples = Effect.fnUntraced(function* (project: string) {
  const folder = Path.join(project, "examples")
  const names = Fs.readdirSync(folder).filter((name) => Fs.existsSync(Path.join(folder, name, "main.ts")))
  yield* mustBe(names.length > 0, "there is no example")
  for (const name of names.toSorted()) {
    const env = { HOME: yield* temporary("home") }
    yield* succeed({ program: "node", args: [Path.join("examples", name, "main.ts")], cwd: project, env })
  }
})

/** The project's own tests, with the kit, and those of the examples. */
export const kit = Effect.fnUntraced(function* (project: string) {
  const env = { HOME: yield* temporary("home"), CI: "true" }
  const vitest = Path.join(project, "node_modules", "vitest", "vitest.mjs")
  const { stderr, stdout } = yield* succeed({ program: "node", args: [vitest, "run"], cwd: project, env })
  yield* mustBe(/Tests\s.*[1-9]\d* passed/.test(stdout), `the test said:\n${stdout}${stderr}`)
})

/** What a bundler for browsers makes of one module of the project: the code, and the size once compressed. */
export const bundle = Effect.fnUntraced(function* (project: string, entry: string, external: Array<RegExp> = []) {
  const warnings: Array<string> = []
  const { code, imports } = yield* Effect.tryPromise({
    try: async () => {
      const bundled = await rolldown({
        input: Path.join(project, entry),
        cwd: project,
        platform: "browser",
        external,
        onwarn: ({ message }) => void warnings.push(message)
      })
      const { output } = await bundled.generate({ format: "esm", minify: true, codeSplitting: false })
      await bundled.close()
      return output[0]
    },
    catch: (error) => broken(`${entry} cannot be bundled: ${String(error)}`)
  })
  yield* mustBe(warnings.length === 0, `bundling ${entry}:\n${warnings.join("\n")}`)
  yield* mustBe(imports.length === 0, `the bundle of ${entry} still imports ${imports.join(", ")}`)
  return { code, bytes: gzipSync(code).length }
})

/** What was bundled for a browser, run where there is nothing of Node, reads a frame. */
export const inBrowser = Effect.fnUntraced(function* (project: string, code: string) {
  const script = Path.join(project, "wire.mjs")
  const frame = JSON.stringify({ type: "req", id: "1", method: "health", params: {} })
  yield* Effect.sync(() => {
    Fs.writeFileSync(script, code)
    Fs.writeFileSync(
      Path.join(project, "page.mjs"),
      `delete globalThis.process
delete globalThis.Buffer
delete globalThis.global
const { methods, read } = await import("./wire.mjs")
console.log(methods > 50 && read(${JSON.stringify(frame)}).method)
`
    )
  })
  const { stdout } = yield* succeed({ program: "node", args: ["page.mjs"], cwd: project, env: {} })
  yield* mustBe(stdout.trim() === "health", `the page said: ${stdout}`)
})

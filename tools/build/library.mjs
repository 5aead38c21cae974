/**
 * `dist/lib`: the library. Each of our modules stays a file of its own, so that an app's bundler drops what the app does not
 * use; what we take from npm, apart from the peers, is bundled beside them under `vendor/`. `effect`, `@effect/platform-node`
 * and Node's own modules are left to the app. Only the declarations that the entries reach are kept.
 */
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { isBuiltin } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { rolldown } from "rolldown"

/** What `exports` in package.json names. */
const ENTRIES = ["index", "client/index", "protocol/index", "testing/index"]

/** `effect/Schema` and the like; `bufferutil` and `utf-8-validate` are what `ws` uses where somebody installed it. */
const LEFT_TO_THE_APP = [/^effect(\/|$)/, /^@effect\/platform-node(\/|$)/, /^node:/, "bufferutil", "utf-8-validate"]

/** What else we use is bundled, each package into a file of its own, with the names that our modules import. */
const VENDORS = {
  "@ai-sdk/anthropic": "export { createAnthropic } from '@ai-sdk/anthropic'",
  "@ai-sdk/openai": "export { createOpenAI } from '@ai-sdk/openai'",
  "@ai-sdk/openai-compatible": "export { createOpenAICompatible } from '@ai-sdk/openai-compatible'",
  json5: "export { default } from 'json5'",
  "multicast-dns": "export { default } from 'multicast-dns'",
  selfsigned: "export { generate } from 'selfsigned'",
  ws: "export { WebSocket, WebSocketServer } from 'ws'"
}

const isLeft = (specifier) =>
  LEFT_TO_THE_APP.some((known) => (known instanceof RegExp ? known.test(specifier) : known === specifier))

/** Our modules, one file each. */
const ours = async (root, target, version) => {
  const source = join(root, "src")
  const vendorsBeside = {
    name: "vendors-beside",
    resolveId: (specifier) => {
      if (/^[./\0]/.test(specifier) || isLeft(specifier)) return undefined
      if (VENDORS[specifier] === undefined) {
        throw new Error(`"${specifier}" is neither a peer nor bundled: name it in VENDORS, in tools/build/library.mjs.`)
      }
      return { id: join(source, "vendor", `${specifier}.js`), external: "relative" }
    }
  }
  const bundle = await rolldown({
    input: ENTRIES.map((entry) => join(source, `${entry}.ts`)),
    platform: "node",
    external: LEFT_TO_THE_APP,
    treeshake: true,
    plugins: [vendorsBeside],
    transform: { define: { "process.env.OPENCLAW_BUILD_VERSION": JSON.stringify(version) } },
    onwarn: () => {}
  })
  await bundle.write({
    dir: target,
    format: "esm",
    preserveModules: true,
    preserveModulesRoot: source,
    entryFileNames: "[name].js",
    comments: { jsdoc: false }
  })
  await bundle.close()
}

/** The packages. What is not ours is not there to be read, so it is made small. Gives the ids of their modules. */
const vendors = async (root, target) => {
  const bundle = await rolldown({
    input: Object.fromEntries(Object.keys(VENDORS).map((name) => [name, `\0${name}`])),
    cwd: root,
    platform: "node",
    external: LEFT_TO_THE_APP,
    treeshake: true,
    plugins: [
      {
        name: "vendor-entries",
        resolveId: (specifier) => {
          if (specifier.startsWith("\0")) return specifier
          return undefined
        },
        load: (id) => VENDORS[id.slice(1)]
      }
    ],
    onwarn: () => {}
  })
  const { output } = await bundle.write({
    dir: join(target, "vendor"),
    format: "esm",
    minify: true,
    entryFileNames: "[name].js",
    chunkFileNames: "shared/[name]-[hash].js"
  })
  await bundle.close()
  return output.flatMap((chunk) => chunk.moduleIds ?? [])
}

const SPECIFIER = /(?:\bfrom\s+|\bimport\(|^import\s+)"([^"]+)"/gm

/** The declarations that the entries reach, and what these import that is not ours. */
const reached = (folder) => {
  const files = new Set()
  const foreign = new Map()
  const visit = (file) => {
    if (files.has(file)) return
    files.add(file)
    for (const [, specifier] of readFileSync(file, "utf8").matchAll(SPECIFIER)) {
      if (specifier.startsWith(".")) visit(join(dirname(file), specifier.replace(/\.[jt]s$/, ".d.ts")))
      else foreign.set(specifier, file)
    }
  }
  for (const entry of ENTRIES) visit(join(folder, `${entry}.d.ts`))
  return { files, foreign }
}

const declarations = (root, target) => {
  const folder = mkdtempSync(join(tmpdir(), "openclaw-declarations-"))
  try {
    const compiler = join(root, "node_modules", "@typescript", "native", "bin", "tsc")
    const args = [compiler, "-p", join(root, "tsconfig.lib.json"), "--outDir", folder]
    const { status } = spawnSync(process.execPath, args, { stdio: "inherit" })
    if (status !== 0) throw new Error("The declarations could not be made; the compiler says why above.")
    const { files, foreign } = reached(folder)
    for (const [specifier, file] of foreign) {
      if (isBuiltin(specifier) || LEFT_TO_THE_APP.some((known) => known instanceof RegExp && known.test(specifier)))
        continue
      throw new Error(
        `${relative(folder, file)} shows a type of "${specifier}", which whoever installs the library does not have. ` +
          "Give what is exported a type of ours."
      )
    }
    for (const file of files) cpSync(file, join(target, relative(folder, file)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Builds it. Gives the ids of the modules of others that are in it. */
export const buildLibrary = async ({ root, out, version }) => {
  const target = join(out, "dist", "lib")
  rmSync(target, { recursive: true, force: true })
  await ours(root, target, version)
  const ids = await vendors(root, target)
  declarations(root, target)
  return ids
}

/**
 * Builds two things from one source: `dist/cli`, one bundled and tree-shaken program, and `dist/lib`, the library with
 * types, which leaves `effect` and `@effect/platform-node` to the app (build/library.mjs); `dist/vendor` is for both. `--cli`
 * builds the program only, `--lib` the library only, `--if-stale` only when a source is newer, `--out <folder>` puts `dist`
 * into that folder instead of this one.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { rolldown } from "rolldown"
import { buildDoor } from "./build/door.mjs"
import { builtinsOneByOne, httpWithoutFetch, lateJson5, wsForClients } from "./build/late.mjs"
import { buildLibrary } from "./build/library.mjs"
import { writeNotices } from "./build/notices.mjs"
import { buildVendors, seldom } from "./build/vendors.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const { values: flags } = parseArgs({
  options: {
    cli: { type: "boolean" },
    lib: { type: "boolean" },
    "if-stale": { type: "boolean" },
    out: { type: "string", default: root }
  }
})
const cli = join(flags.out, "dist", "cli")
const stamp = join(cli, ".built")
const libraryStamp = join(flags.out, "dist", "lib", ".built")

const newest = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0)

const isStale = (mark) => {
  const built = statSync(mark, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return (
    [join(root, "src"), join(root, "tools")].some((folder) => newest(folder) > built) ||
    statSync(join(root, "package-lock.json")).mtimeMs > built
  )
}

const wanted = [...(flags.lib ? [] : [stamp]), ...(flags.cli ? [] : [libraryStamp])]
if (flags["if-stale"] && !wanted.some(isStale)) process.exit(0)

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/**
 * Node's TLS takes 10 ms to load and few Gateways are dialled with it: whoever dials names it, and gets it when they use it.
 */
const lateTls = {
  name: "late-tls",
  resolveId: (source, importer = "") =>
    /^(?:node:)?(?:tls|https)$/.test(source) && /[\\/](?:node_modules[\\/]ws|src[\\/]client)[\\/]/.test(importer)
      ? `\0late-${source.replace("node:", "")}`
      : undefined,
  load: (id) => {
    const name = /^\0late-(tls|https)$/.exec(id)?.[1]
    if (name === undefined) return undefined
    return (name === "tls" ? ["connect"] : ["request", "get"])
      .map((use) => `export const ${use} = (...given) => process.getBuiltinModule("node:${name}").${use}(...given)`)
      .join("\n")
  }
}

/** What a module loads as soon as it is loaded itself, with itself. */
const staticallyNeededBy = (entry, graph) => {
  const found = new Set([entry])
  for (const id of found) for (const imported of graph.getModuleInfo(id)?.importedIds ?? []) found.add(imported)
  return found
}

/**
 * Puts all that the first of these modules needs into one file, all that the next one needs besides into another, and so on:
 * each file costs the start up to a millisecond, however small it is.
 */
const inFewFiles = (sources) => {
  const entries = sources.map((source) => join(root, "src", source))
  let needed
  return {
    groups: [
      {
        name: (id, graph) => {
          needed ??= entries.map((entry) => staticallyNeededBy(entry, graph))
          const at = needed.findIndex((ids) => ids.has(id))
          return at === -1 ? undefined : `part${at}`
        }
      }
    ]
  }
}

/** What a plugin left out of a module would be `undefined` where it is used, and only there. */
const failOnMissing = ({ code, message }) => {
  if (code === "IMPORT_IS_UNDEFINED") throw new Error(message)
}

/**
 * A bundle of its own, so that it holds only what it uses itself; `parts` are modules whose needs are kept together. Gives the
 * ids of the modules that are in it.
 */
const bundleOf = async (name, source, dir, parts, { plugins = [httpWithoutFetch], format = "esm" } = {}) => {
  const bundle = await rolldown({
    input: { [name]: join(root, "src", source) },
    platform: "node",
    external: ["bufferutil", "utf-8-validate"],
    treeshake: true,
    plugins: [lateTls, ...plugins, seldom(relative(dir, join(flags.out, "dist", "vendor")))],
    transform: { define: { "process.env.OPENCLAW_BUILD_VERSION": JSON.stringify(version) } },
    onwarn: failOnMissing
  })
  const extension = format === "cjs" ? "cjs" : "js"
  const { output } = await bundle.write({
    dir,
    format,
    // V8 keeps a file that holds one character above U+00FF at two bytes for each.
    charset: "ascii",
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    ...(parts === undefined ? undefined : { codeSplitting: inFewFiles(parts) }),
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `[name]-[hash].${extension}`
  })
  await bundle.close()
  return output.flatMap((chunk) => chunk.moduleIds ?? [])
}

/**
 * The whole program, the door before it, and the short ways of the commands that are waited for most and of a Gateway: bundled
 * with the rest, those would load what only others use. Gives the ids of their modules, as `buildVendors` does.
 */
const buildProgram = async () => {
  // The compiled code of the two is kept by `src/cli/door/compiled.ts`, which only modules of CommonJS allow.
  const short = { plugins: [builtinsOneByOne, lateJson5, wsForClients(root)], format: "cjs" }
  rmSync(cli, { recursive: true, force: true })
  const ids = [
    ...(await bundleOf("main", "main.ts", cli)),
    ...(await bundleOf(
      "direct",
      "direct.ts",
      join(cli, "direct"),
      ["direct.ts", "cli/commands/config/get.ts", "cli/commands/health/run.ts"],
      short
    )),
    ...(await bundleOf("serve", "serve.ts", join(cli, "serve"), ["serve.ts", "cli/commands/gateway/start.ts"], {
      format: "cjs"
    })),
    ...(await buildDoor(root, cli))
  ]
  writeFileSync(stamp, "")
  return ids
}

const vendors = await buildVendors({ root, out: flags.out })
if (!flags.lib) writeNotices(new Set([...(await buildProgram()), ...vendors]), flags.out)
if (!flags.cli) {
  await buildLibrary({ root, out: flags.out, version })
  writeFileSync(libraryStamp, "")
}

/**
 * `dist/lib`: the library. Each of our modules stays a file of its own, so that an app's bundler drops what the app does not
 * use; what we take from npm, apart from the peers, is in `dist/vendor` (vendors.mjs). `effect`, `@effect/platform-node`
 * and Node's own modules are left to the app. Only the declarations that the entries reach are kept.
 */
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { isBuiltin } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { rolldown } from "rolldown"
import { isLeft, LEFT_TO_THE_APP, VENDORS } from "./vendors.mjs"

/** What `exports` in package.json names. */
const ENTRIES = ["index", "client/index", "protocol/index", "testing/index"]

/** Our modules, one file each. */
const ours = async (root, target, version) => {
  const source = join(root, "src")
  const vendorsBeside = {
    name: "vendors-beside",
    resolveId: (specifier) => {
      if (/^[./\0]/.test(specifier) || isLeft(specifier)) return undefined
      if (VENDORS[specifier] === undefined) {
        throw new Error(`"${specifier}" is neither a peer nor bundled: name it in VENDORS, in tools/build/vendors.mjs.`)
      }
      return { id: join(root, "vendor", `${specifier}.js`), external: "relative" }
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

/** Builds it. */
export const buildLibrary = async ({ root, out, version }) => {
  const target = join(out, "dist", "lib")
  rmSync(target, { recursive: true, force: true })
  await ours(root, target, version)
  declarations(root, target)
}

/**
 * `dist/THIRD-PARTY-NOTICES.txt`: the licences of everything that is bundled, which those licences ask for. Packages with the
 * same licence text share it. A package that is bundled without a licence that lets us do so ends the build.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, sep } from "node:path"

const ALLOWED = new Set(["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD"])

/** The folder of the package that a bundled module is from; `undefined` for a module of ours. */
const folderOf = (id) => {
  const path = id.replace(/^\0/, "").replace(/\?.*$/, "")
  return new RegExp(`^.*\\${sep}node_modules\\${sep}(?:@[^\\${sep}]+\\${sep})?[^\\${sep}]+`).exec(path)?.[0]
}

const holderOf = ({ author, name }) => {
  const who = typeof author === "string" ? author : author?.name
  return who === undefined ? `the authors of ${name}` : who.replace(/\s*[<(].*$/, "")
}

/** Some packages say what their licence is and do not bring its text. */
const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

const brought = (folder) =>
  readdirSync(folder)
    .filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
    .toSorted()
    .map((name) => readFileSync(join(folder, name), "utf8").trim())
    .join("\n\n")

const scopeOf = (name) => /^@[^/]+/.exec(name)?.[0]

/** The text of a package's licence: its own, or that of a package by the same people under the same licence. */
const textOf = (own, manifest, all) => {
  if (own !== "") return own
  if (manifest.license === "MIT") return `MIT License\n\nCopyright (c) ${holderOf(manifest)}\n\n${MIT}`
  const scope = scopeOf(manifest.name)
  const sibling = all.find(
    (other) =>
      scope !== undefined &&
      scopeOf(other.manifest.name) === scope &&
      other.manifest.license === manifest.license &&
      other.text !== ""
  )
  if (sibling !== undefined) return sibling.text
  throw new Error(`${manifest.name} is bundled and brings no text of its licence (${manifest.license}).`)
}

/** Writes the file into `<out>/dist`. `ids` are the modules of every bundle. */
export const writeNotices = (ids, out) => {
  const folders = new Set([...ids].map(folderOf).filter((folder) => folder !== undefined))
  const all = [...folders].toSorted().map((folder) => ({
    manifest: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")),
    text: brought(folder)
  }))
  const packages = new Map()
  for (const { manifest, text } of all) {
    const { license, name, version } = manifest
    if (!ALLOWED.has(license)) {
      throw new Error(
        `${name} is bundled under the licence ${license ?? "of nobody"}, which nobody here has looked at.`
      )
    }
    packages.set(`${name} ${version} (${license})`, textOf(text, manifest, all))
  }
  const byText = Map.groupBy(packages.keys(), (name) => packages.get(name).replace(/\s+/g, " "))
  const sections = [...byText.values()]
    .map((names) => names.toSorted())
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map((names) => `${names.join("\n")}\n\n${packages.get(names[0])}`)
  writeFileSync(
    join(out, "dist", "THIRD-PARTY-NOTICES.txt"),
    `This program contains the following software of others.\n\n${sections.join(`\n\n${"-".repeat(80)}\n\n`)}\n`
  )
}

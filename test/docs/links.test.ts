/** What a document points at is there: files, headings, and the commands that it names. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "..", "..")
const pages = globSync(["*.md", "docs/**/*.md", "examples/**/*.md", "bench/*.md", "test/**/*.md"], { cwd: root })
const text = (page: string): string => readFileSync(join(root, page), "utf8")

/** Code is no link, and a console's output no heading. */
const prose = (page: string): string => text(page).replace(/^(```+)[\s\S]*?^\1/gm, "")

const anchor = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-")

const anchorsOf = (page: string): ReadonlyArray<string> => [
  ...[...prose(page).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = ""]) => anchor(heading)),
  ...[...prose(page).matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id)
]

const linksOf = (page: string): ReadonlyArray<string> =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => (/^[a-z]+:/.test(link) ? [] : [link]))

describe("documents", () => {
  it.each(pages)("%s: its links lead somewhere", (page) => {
    for (const link of linksOf(page)) {
      const [path = "", fragment] = link.split("#")
      const target = path === "" ? page : join(dirname(page), path)
      assert.isTrue(existsSync(join(root, target)), `${link}: there is no ${target}`)
      if (fragment !== undefined) assert.include(anchorsOf(target), fragment, `${link}: there is no such heading`)
    }
  })

  it("name commands that there are", () => {
    const reference = text("docs/reference/cli.md")
    const known = new Set([...reference.matchAll(/^#+ `?openclaw ([a-z][a-z -]*?)`?$/gm)].map(([, name = ""]) => name))
    const first = new Set([...known].map((name) => name.split(" ")[0]))
    assert.isAbove(known.size, 50)
    for (const page of pages.filter((name) => !name.startsWith("test/") && name !== "CHANGELOG.md")) {
      for (const [, line = ""] of text(page).matchAll(/(?:^\$ |`|^)openclaw ((?:[a-z]+-?)+)\b/gm)) {
        assert.isTrue(first.has(line), `${page} names \`openclaw ${line}\`, which is no command`)
      }
    }
  })
})

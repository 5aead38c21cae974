/**
 * Builds the door of the program: its bundle, and beside it what the command tree understands and says (`src/cli/door`).
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { constants, gzipSync } from "node:zlib"
import { rolldown } from "rolldown"
import { builtinsOneByOne } from "./late.mjs"

/** Gives the ids of the modules that are in it. */
export const buildDoor = async (root, cli) => {
  const bundle = await rolldown({
    input: { door: join(root, "src", "cli", "door", "main.ts") },
    platform: "node",
    plugins: [builtinsOneByOne]
  })
  const { output } = await bundle.write({ dir: cli, format: "esm", minify: true, entryFileNames: "[name].js" })
  await bundle.close()
  const { completionScripts, grammar, helpTexts, versionLine } = await import("../grammar.ts")
  const write = (name, content) => writeFileSync(join(cli, name), content)
  write("grammar.json", JSON.stringify(grammar()))
  write("help.json", JSON.stringify(await helpTexts()))
  write("version.txt", await versionLine())
  for (const [shell, script] of Object.entries(completionScripts())) {
    write(`completion.${shell}.gz`, gzipSync(script, { level: constants.Z_BEST_COMPRESSION }))
  }
  return output.flatMap((chunk) => chunk.moduleIds ?? [])
}

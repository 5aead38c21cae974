/**
 * `dist/vendor`: what we take from npm apart from the peers, each package in a file with the names that our modules import.
 * The library imports all of them, the program those that it seldom needs; what it always needs is in its own bundle.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"

/** `effect/Schema` and the like; `bufferutil` and `utf-8-validate` are what `ws` uses where somebody installed it. */
export const LEFT_TO_THE_APP = [
  /^effect(\/|$)/,
  /^@effect\/platform-node(\/|$)/,
  /^node:/,
  "bufferutil",
  "utf-8-validate"
]

/** What else we use is bundled, each package into a file of its own, with the names that our modules import. */
export const VENDORS = {
  "@ai-sdk/anthropic": "export { createAnthropic } from '@ai-sdk/anthropic'",
  "@ai-sdk/openai": "export { createOpenAI } from '@ai-sdk/openai'",
  "@ai-sdk/openai-compatible": "export { createOpenAICompatible } from '@ai-sdk/openai-compatible'",
  json5: "export { default } from 'json5'",
  "multicast-dns": "export { default } from 'multicast-dns'",
  selfsigned: "export { generate } from 'selfsigned'",
  ws: "export { WebSocket, WebSocketServer } from 'ws'"
}

export const isLeft = (specifier) =>
  LEFT_TO_THE_APP.some((known) => (known instanceof RegExp ? known.test(specifier) : known === specifier))

/** What the program's bundles do not have in them; `vendor` is where it lies as a bundle sees it. */
export const seldom = (vendor) => ({
  name: "seldom-needed",
  resolveId: (specifier) =>
    VENDORS[specifier] === undefined || specifier === "ws" || specifier === "json5"
      ? undefined
      : { id: `${vendor}/${specifier}.js`, external: true }
})

/** Builds them. What is not ours is not there to be read, so it is made small. Gives the ids of their modules. */
export const buildVendors = async ({ root, out }) => {
  const target = join(out, "dist", "vendor")
  rmSync(target, { recursive: true, force: true })
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
    dir: target,
    format: "esm",
    minify: true,
    entryFileNames: "[name].js",
    chunkFileNames: "shared/[name]-[hash].js"
  })
  await bundle.close()
  return output.flatMap((chunk) => chunk.moduleIds ?? [])
}

/**
 * What the short way of a command takes of Node and of packages: only what it uses, and late what it seldom uses. Each of
 * these costs milliseconds of a start.
 */
import { createRequire, isBuiltin } from "node:module"
import { dirname, join } from "node:path"

/** What is behind a getter is seldom used and often much; this is neither. */
const isLoaded = (name, key) => name === "fs" && key === "promises"

/**
 * A namespace import of one of Node's modules reads every export of it once, and some of them load a good part of Node:
 * `fetch` behind `node:http` (undici: 15 ms and 5 MB at each start), streams behind `node:fs`, WebCrypto behind `node:crypto`.
 * Taken one by one, only what is used is read. `isMeant` says of which modules.
 */
const oneByOne = (isMeant) => ({
  name: "builtins-one-by-one",
  resolveId: (source, importer = "", { kind }) =>
    // The bundler's own runtime stays a file of its own.
    isMeant(source) && !importer.startsWith("\0rolldown")
      ? `\0${kind === "require-call" ? "required" : "imported"}-${source.replace("node:", "")}`
      : undefined,
  load: (id) => {
    const [, way, name] = /^\0(required|imported)-(.+)$/.exec(id) ?? []
    if (name === undefined) return undefined
    if (way === "required") return `module.exports = process.getBuiltinModule("node:${name}")`
    return [
      `const module = process.getBuiltinModule("node:${name}")`,
      "export default module",
      ...Object.entries(Object.getOwnPropertyDescriptors(process.getBuiltinModule(`node:${name}`)))
        .filter(
          ([key, { get }]) =>
            (get === undefined || isLoaded(name, key)) && /^[a-zA-Z]\w*$/.test(key) && key !== "default"
        )
        .map(([key]) => `const _${key} = module.${key}\nexport { _${key} as ${key} }`)
    ].join("\n")
  }
})

export const builtinsOneByOne = oneByOne(isBuiltin)

export const httpWithoutFetch = oneByOne((source) => source === "node:http" || source === "http")

/** JSON5 is for files that people wrote by hand: parsed by it is only what is no plain JSON. */
export const lateJson5 = {
  name: "late-json5",
  resolveId: (source) => (source === "json5" ? "\0late-json5" : undefined),
  load: (id) =>
    id === "\0late-json5"
      ? [
          'const json5 = () => process.getBuiltinModule("node:module").createRequire(import.meta.url)("../../vendor/json5.js").default',
          "const parse = (...given) => json5().parse(...given)",
          "const stringify = (...given) => json5().stringify(...given)",
          "export default { parse, stringify }"
        ].join("\n")
      : undefined
}

/** Of `ws` the client alone, without compression: it is never asked for, so nothing is ever compressed. */
export const wsForClients = (root) => {
  const lib = join(dirname(createRequire(join(root, "package.json")).resolve("ws")), "lib")
  return {
    name: "ws-for-clients",
    resolveId: (source, importer = "") => {
      if (source === "ws") return "\0ws-client"
      return source === "./permessage-deflate" && dirname(importer) === lib ? "\0no-deflate" : undefined
    },
    load: (id) => {
      if (id === "\0ws-client")
        return `export { default as WebSocket } from ${JSON.stringify(join(lib, "websocket.js"))}`
      return id === "\0no-deflate"
        ? 'module.exports = class PerMessageDeflate { static get extensionName() { return "permessage-deflate" } }'
        : undefined
    }
  }
}

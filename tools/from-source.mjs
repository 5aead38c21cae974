/**
 * Lets a program of this checkout import `openclaw` as an app does, and get the sources: `node --import ./tools/from-source.mjs
 * examples/…/main.ts`. Without it the built library is what the name leads to.
 */
import { registerHooks } from "node:module"

registerHooks({
  resolve(specifier, context, next) {
    const found = /^openclaw(?:\/(client|protocol|testing))?$/.exec(specifier)
    if (found === null) return next(specifier, context)
    const file = found[1] === undefined ? "index.ts" : `${found[1]}/index.ts`
    return next(new URL(`../src/${file}`, import.meta.url).href, context)
  }
})

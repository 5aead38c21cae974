#!/usr/bin/env node
// The door: checks Node's version before anything else is parsed, then runs the bundle, or the sources in a checkout.
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `openclaw needs Node 22.19 or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      "Fix: install a current Node (https://nodejs.org), or run it with `npx -p node@24 openclaw …`.\n"
  )
  process.exit(1)
}
const { enableCompileCache } = await import("node:module")
enableCompileCache?.()
const { existsSync } = await import("node:fs")
const bundle = new URL("../dist/cli/main.js", import.meta.url)
await import(existsSync(bundle) ? bundle.href : new URL("../src/main.ts", import.meta.url).href)

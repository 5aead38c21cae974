#!/usr/bin/env node
// Checks Node's version before anything else is parsed, lets the door answer what needs no program (`src/cli/door`), then runs
// the bundle. In a checkout it runs the sources instead when one of them is newer than the bundle, so that what runs is always
// what is written.

// SIGUSR2 asks a Gateway to restart with the configuration as it is now, and ends a process that does not listen for it. One
// that is asked before it has read its configuration has nothing to do. Once it listens by itself this says nothing more.
if (process.argv.includes("gateway")) {
  process.on("SIGUSR2", () => {
    if (process.listenerCount("SIGUSR2") > 1) return
    process.stderr.write("SIGUSR2 changes nothing: this process has not begun to serve, or serves no more.\n")
  })
}

const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `openclaw needs Node 22.19 or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      "Fix: install a current Node (https://nodejs.org), or run it with `npx -p node@24 openclaw …`.\n"
  )
  process.exit(1)
}
// An import of it would read all that it exports, and some of that loads a good part of Node.
const { lstatSync, mkdirSync, readdirSync, statSync } = process.getBuiltinModule("node:fs")

const { fileURLToPath } = process.getBuiltinModule("node:url")

const at = (path) => new URL(`../${path}`, import.meta.url)
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs
const built = changed(at("dist/cli/.built"))
const sources = at("src/")

const isStale = () => {
  if (built === undefined) return true
  if (changed(sources) === undefined) return false
  return readdirSync(sources, { recursive: true, withFileTypes: true }).some(
    (entry) => entry.isFile() && changed(`${entry.parentPath}/${entry.name}`) > built
  )
}

/**
 * Where compiled code is kept: a folder that only this user writes to, because what lies in it is run. The temporary folder is
 * everybody's, so one that somebody else made first is not used, and nothing is kept.
 */
const ownFolder = (tmpdir, uid) => {
  const folder = `${tmpdir}/openclaw-compiled-${uid}`
  try {
    const found = lstatSync(folder, { throwIfNoEntry: false })
    if (found === undefined) mkdirSync(folder, { mode: 0o700 })
    else if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0) return undefined
    return folder
  } catch {
    return undefined
  }
}

const keepCompiled = () => {
  const { enableCompileCache } = process.getBuiltinModule("node:module")
  const { tmpdir } = process.getBuiltinModule("node:os")
  // Where users have no numbers, each has a temporary folder.
  const folder = process.getuid === undefined ? tmpdir() : ownFolder(tmpdir(), process.getuid())
  if (folder !== undefined) enableCompileCache(folder)
}

const load = (path) => {
  keepCompiled()
  return import(at(path).href)
}

if (isStale()) await load("src/main.ts")
else {
  const { enter, load: loadKept } = await import(at("dist/cli/door.js").href)
  const asked = enter(process.argv.slice(2))
  const run = (asked) => {
    const command = asked.path.slice(1).join(" ")
    const [bundle, kept] = /^gateway(?: run)?$/.test(command) ? ["serve", "gateway"] : ["direct", command]
    keepCompiled()
    return loadKept(fileURLToPath(at(`dist/cli/${bundle}/`)), `${bundle}.cjs`, kept).run(asked)
  }
  const isDone = asked === undefined || (asked !== "unsure" && run(asked))
  if (!isDone) await load("dist/cli/main.js")
}

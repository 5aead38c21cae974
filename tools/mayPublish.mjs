/**
 * Runs before `npm publish`: the name `openclaw` on npm's public registry belongs to the OpenClaw project, of whose protocol
 * this is an independent implementation. A registry of one's own takes the package as it is.
 */
const registry = process.env.npm_config_registry ?? "https://registry.npmjs.org/"

if (new URL(registry).hostname.endsWith("npmjs.org")) {
  process.stderr.write(
    "Not published: on npm's public registry the name `openclaw` belongs to the OpenClaw project, not to us.\n" +
      "Fix: publish to a registry of your own (`npm publish --registry <url>`), or hand out the file that `npm pack` makes.\n"
  )
  process.exit(1)
}

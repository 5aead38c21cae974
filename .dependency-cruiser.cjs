/**
 * The floors of the house (ARCHITECTURE.md). A room imports only from floors below its own,
 * or from its own room. Each rule below forbids one floor's upward or sideways imports.
 */
const room = (name, comment, from, allowed) => ({
  name,
  comment,
  severity: "error",
  from: { path: from },
  to: { path: "^src/", pathNot: allowed }
})

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: { path: "^src/" }, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    room("domain-imports-nothing", "Floor 0 stands on the ground.", "^src/domain/", "^src/domain/"),
    room("protocol-imports-domain", "Floor 1 is pure Schema and runs in a browser.", "^src/protocol/", "^src/(domain|protocol)/"),
    { name: "protocol-is-portable", severity: "error", from: { path: "^src/(domain|protocol)/" }, to: { dependencyTypes: ["core"] } },
    room("services-declare-only", "Floor 2: interfaces and errors, no I/O.", "^src/services/", "^src/(domain|protocol|services)/"),
    { name: "services-do-no-io", severity: "error", from: { path: "^src/services/" }, to: { dependencyTypes: ["core"] } },
    room("client-stands-alone", "Floor 3: the client knows the wire, not the Gateway.", "^src/client/", "^src/(domain|protocol|services|client)/"),
    room("layers-make-services", "Floor 3: layers never reach into the node host or the CLI.", "^src/layers/", "^src/(domain|protocol|services|layers)/"),
    room("node-host-uses-the-client", "Floor 3: the device side talks to the Gateway by the client only.", "^src/node-host/", "^src/(domain|protocol|services|client|node-host)/"),
    room("testing-above-layers", "Floor 4: the test kit may use everything but the CLI.", "^src/testing/", "^src/(domain|protocol|services|layers|client|node-host|testing)/"),
    room("cli-above-all", "Floor 4: the CLI may use everything but main.", "^src/cli/", "^src/(domain|protocol|services|layers|client|node-host|testing|cli)/"),
    { name: "rare-libraries-are-loaded-when-needed", comment: "A Gateway without TLS and Bonjour has neither in its memory.", severity: "error", from: { path: "^src/" }, to: { path: "node_modules/(selfsigned|multicast-dns)/", dynamic: false, dependencyTypesNot: ["type-only"] } },
    {
      name: "dev-dependencies-stay-out",
      comment: "What runs is the peers and what the build bundles (tools/build/vendors.mjs); nothing else is there once installed.",
      severity: "error",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm-dev"],
        dependencyTypesNot: ["type-only"],
        pathNot: "node_modules/(effect|@effect/platform-node|@ai-sdk/[a-z-]+|json5|multicast-dns|selfsigned|ws)/"
      }
    }
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: [".ts", ".js", ".mjs", ".json"], conditionNames: ["import", "node", "types"] }
  }
}

/**
 * The list of the Gateway's own machine as `exec.approvals.get` shows it.
 */
import type { ExecApprovalsFile, ExecApprovalsSnapshot } from "../../protocol/methods/approvalsFile.ts"
import { closed, type Document, type Snapshot } from "../../services/ApprovalsFile.ts"

/** The wire has no `null` where nothing was used yet. */
const entryOf = ({
  lastUsedAt,
  lastUsedCommand,
  ...entry
}: NonNullable<NonNullable<Document["agents"]>[string]["allowlist"]>[number]) => ({
  ...entry,
  ...(typeof lastUsedAt === "number" && lastUsedAt >= 0 ? { lastUsedAt } : undefined),
  ...(typeof lastUsedCommand === "string" ? { lastUsedCommand } : undefined)
})

const fileOf = (document: Document): ExecApprovalsFile => ({
  ...document,
  agents: Object.fromEntries(
    Object.entries(document.agents ?? {}).map(([id, { allowlist, ...agent }]) => [
      id,
      { ...agent, ...(allowlist === undefined ? undefined : { allowlist: allowlist.map(entryOf) }) }
    ])
  )
})

/** The list, with what counts where it says nothing. */
export const hostSnapshot = ({ file, ...snapshot }: Snapshot): ExecApprovalsSnapshot => ({
  ...snapshot,
  file: fileOf(file),
  resolvedDefaults: {
    security: file.defaults?.security ?? closed.security,
    ask: file.defaults?.ask ?? closed.ask,
    askFallback: file.defaults?.askFallback ?? closed.askFallback,
    autoAllowSkills: file.defaults?.autoAllowSkills ?? false
  }
})

/**
 * Findings that somebody accepted: `security.audit.suppressions`. That there are any is always told.
 */
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { type Finding, finding } from "./Finding.ts"

type Suppression = NonNullable<NonNullable<NonNullable<OpenClawConfig["security"]>["audit"]>["suppressions"]>[number]

export interface Suppressed extends Finding {
  /** Why somebody accepted it, as they wrote it. */
  readonly reason?: string
}

const has = (text: string, part: string | undefined): boolean =>
  part === undefined || text.toLowerCase().includes(part.toLowerCase())

const accepts = ({ checkId, detailIncludes, titleIncludes }: Suppression, found: Finding): boolean =>
  checkId === found.checkId && has(found.title, titleIncludes) && has(found.detail, detailIncludes)

/** Those that count, and those that were accepted. */
export const withoutSuppressed = (
  config: OpenClawConfig,
  findings: ReadonlyArray<Finding>
): { readonly active: ReadonlyArray<Finding>; readonly suppressed: ReadonlyArray<Suppressed> } => {
  const suppressions = config.security?.audit?.suppressions ?? []
  if (suppressions.length === 0) return { active: findings, suppressed: [] }
  const active: Array<Finding> = []
  const suppressed: Array<Suppressed> = []
  for (const found of findings) {
    const by = suppressions.find((suppression) => accepts(suppression, found))
    if (by === undefined) active.push(found)
    else suppressed.push({ ...found, ...(by.reason === undefined ? undefined : { reason: by.reason }) })
  }
  active.push(
    finding(
      "security.audit.suppressions.active",
      "info",
      "Findings were accepted and are not counted",
      `security.audit.suppressions has ${suppressions.length} ${suppressions.length === 1 ? "entry" : "entries"} and hides ${suppressed.length} of the findings.`,
      "look at suppressedFindings with --json, and take out what is not meant any more"
    )
  )
  return { active, suppressed }
}

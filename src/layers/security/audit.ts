/**
 * What of a Gateway is open to others, from its configuration and the rights of its files. Pure: whoever asks has looked.
 */
import { authentication } from "./authentication.ts"
import { channels } from "./channels.ts"
import { commands } from "./commands.ts"
import { files } from "./files.ts"
import type { Facts, Finding, Severity } from "./Finding.ts"
import { network } from "./network.ts"
import { proxies } from "./proxies.ts"

export type { AuthFacts, ExecRule, Facts, Finding, Rights, Severity } from "./Finding.ts"

const rank: Readonly<Record<Severity, number>> = { critical: 0, warn: 1, info: 2 }

/** The worst first. */
export const sorted = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> =>
  findings.toSorted((a, b) => rank[a.severity] - rank[b.severity])

/** All findings, the worst first. */
export const audit = (facts: Facts): ReadonlyArray<Finding> =>
  sorted([
    ...authentication(facts),
    ...network(facts),
    ...proxies(facts),
    ...channels(facts),
    ...commands(facts),
    ...files(facts)
  ])

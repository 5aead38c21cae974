/**
 * What services are called, and how a definition says that this program wrote it.
 */
import type { ServiceName } from "../../services/ServiceManager.ts"

/** OpenClaw's own names. */
export const unitOf = ({ kind, profile }: ServiceName): string =>
  `openclaw-${kind}${profile === undefined ? "" : `-${profile}`}.service`

/** A profile called `node` shall not be the node. */
export const labelOf = ({ kind, profile }: ServiceName): string =>
  `ai.openclaw.${kind}${profile === undefined ? "" : `.${profile}`}`

/** Stands in the first lines of what this program wrote. */
export const MARK = "Written by openclaw on Effect"

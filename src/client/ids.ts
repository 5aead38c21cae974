/**
 * Ids that a Gateway may see.
 */
import { randomUUID } from "node:crypto"

/** A random UUID. */
export const randomId = (): string => randomUUID()

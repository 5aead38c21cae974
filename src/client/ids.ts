/**
 * Ids that a Gateway may see. WebCrypto's generator, because browsers and Node both have it.
 */

/** A random UUID. */
export const randomId = (): string => globalThis.crypto.randomUUID()

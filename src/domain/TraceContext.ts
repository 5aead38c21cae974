/**
 * Where in which trace something belongs, as W3C's `traceparent` says it.
 *
 * Source of the format: W3C Trace Context, level 1.
 */

export interface TraceContext {
  /** 32 hexadecimal digits in lower case, not all zero. */
  readonly traceId: string
  /** 16 of them: the span that what follows is a child of. */
  readonly spanId: string
  /** Whether who began the trace wants it exported. It is kept here in any case. */
  readonly sampled: boolean
}

const pattern = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/
const isZero = (digits: string): boolean => /^0+$/.test(digits)

/** `undefined` for whatever is no `traceparent`: a caller's mistake here is nothing to fail for. */
export const parse = (text: string | undefined): TraceContext | undefined => {
  const found = text === undefined || text.length > 128 ? null : pattern.exec(text)
  if (found === null) return undefined
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = found
  // A later version may say more; the first one says exactly this.
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined
  if (isZero(traceId) || isZero(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export const format = ({ sampled, spanId, traceId }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`

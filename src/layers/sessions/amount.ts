/** Amounts with a unit, as the configuration writes them: `30d`, `1h30m`, `500mb`. */

/** Milliseconds by unit. */
export const DURATIONS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000
}

/** Bytes by unit. */
export const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1_024,
  mb: 1_024 ** 2,
  gb: 1_024 ** 3,
  tb: 1_024 ** 4
}

const part = /(\d+(?:\.\d+)?)\s*([a-z]*)/gi

/**
 * The amount in the smallest unit; a number without a unit counts in `unit`. Several parts are added. `undefined` when the
 * text is none.
 */
export const amountOf = (
  value: string | number,
  units: Readonly<Record<string, number>>,
  unit: number
): number | undefined => {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value * unit : undefined
  const text = value.trim().toLowerCase()
  if (text === "" || text.replaceAll(part, "").trim() !== "") return undefined
  let sum = 0
  for (const [, digits, name] of text.matchAll(part)) {
    const factor = name === "" ? unit : units[name!]
    if (factor === undefined) return undefined
    sum += Number(digits) * factor
  }
  return sum
}

/**
 * The differences that are meant, each with its reason. A step whose differences are all in here has passed.
 */

export interface Known {
  readonly line: string
  readonly reason: string
}

interface Entry {
  /** Looked for in `<client>: <step>`. */
  readonly step: RegExp
  readonly line: RegExp
  readonly reason: string
}

const entries: ReadonlyArray<Entry> = []

export const reasonOf = (client: string, step: string, line: string): string | undefined =>
  entries.find((entry) => entry.step.test(`${client}: ${step}`) && entry.line.test(line))?.reason

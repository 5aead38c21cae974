/** A difference that is meant, and how it is written down. */
export interface Difference {
  /** Looked for in `<client>: <step>`; everywhere when left out. */
  readonly steps?: RegExp
  readonly lines: ReadonlyArray<string>
  readonly reason: string
}

export const lacks = (text: string): ReadonlyArray<string> => text.split(/\s+/).map((name) => `- ${name}`)
export const adds = (text: string): ReadonlyArray<string> => text.split(/\s+/).map((name) => `+ ${name}`)

/**
 * The differences that are meant, each with its reason. A step whose differences are all in here has passed.
 */
import { differences } from "./differences.ts"

export interface Known {
  readonly line: string
  readonly reason: string
}

/** Whether a line such as `- sessions[].owner` is meant by `- owner`: the same sign, and the path or the end of it. */
const fits = (entry: string, line: string): boolean => {
  if (entry.startsWith("=")) return line.startsWith(entry.slice(1))
  if (entry[0] !== line[0]) return false
  const [name, path] = [entry.slice(2), line.slice(2)]
  return path === name || path.endsWith(`.${name}`)
}

export const reasonOf = (client: string, step: string, line: string): string | undefined =>
  differences.find(
    ({ lines, steps }) =>
      (steps === undefined || steps.test(`${client}: ${step}`)) && lines.some((entry) => fits(entry, line))
  )?.reason

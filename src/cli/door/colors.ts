/**
 * Whether help is shown in color, as `effect/cli` decides it.
 */

const isSet = (value: string | undefined): value is string => value !== undefined && value !== ""

/** `isTerminal` tells whether standard output is one; asked for only where it matters. */
export const inColor = (
  variables: Readonly<Record<string, string | undefined>>,
  isTerminal: () => boolean
): boolean => {
  const { FORCE_COLOR: force, NO_COLOR: without, TERM: term } = variables
  if (term === "dumb" || isSet(without)) return false
  return (isSet(force) && force !== "0" && force.toLowerCase() !== "false") || isTerminal()
}

/**
 * What is looked for before the command line is parsed, because it may be what is wrong.
 */

const flagsOf = (given: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = given.indexOf("--")
  return end === -1 ? given : given.slice(0, end)
}

export const asksForJson = (given: ReadonlyArray<string>): boolean =>
  flagsOf(given).some((flag) => flag === "--json" || flag === "--json=true")

export const asksForDebug = (given: ReadonlyArray<string>): boolean =>
  /(?:^| )--log-level[= ](?:debug|trace|all)(?: |$)/i.test(flagsOf(given).join(" "))

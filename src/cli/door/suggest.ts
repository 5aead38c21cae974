/**
 * Words that were perhaps meant.
 */

/** How many letters have to be put in, left out or changed. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let at = 1; at <= from.length; at++) {
    const next = [at]
    for (let index = 1; index <= to.length; index++) {
      const same = from[at - 1] === to[index - 1] ? 0 : 1
      next.push(Math.min((row[index] ?? 0) + 1, (next[index - 1] ?? 0) + 1, (row[index - 1] ?? 0) + same))
    }
    row = next
  }
  return row[to.length] ?? 0
}

/** The nearest ones, at most two letters away. */
export const suggest = (word: string, known: ReadonlyArray<string>): ReadonlyArray<string> => {
  const found = known.map((name) => [distance(word, name), name] as const)
  const least = Math.min(2, ...found.map(([steps]) => steps))
  return found.filter(([steps]) => steps === least).map(([, name]) => name)
}

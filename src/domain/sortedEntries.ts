/** The entries of an object, by key in the order of UTF-16 units: the same for objects that are the same. */
export const sortedEntries = <A>(record: Readonly<Record<string, A>>): Array<[key: string, value: A]> =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))

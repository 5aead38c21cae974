/**
 * Ids of tool calls, each once in a prompt: some providers begin to count anew in every answer, and others refuse a prompt
 * in which an id stands twice.
 */
export interface CallIds {
  /** The id itself while it is free, otherwise one made of it. */
  readonly unique: (id: string) => string
}

export const makeCallIds = (): CallIds => {
  const used = new Set<string>()
  return {
    unique: (id) => {
      const base = id === "" ? "call" : id
      let free = base
      for (let n = 2; used.has(free); n++) free = `${base}_${n}`
      used.add(free)
      return free
    }
  }
}

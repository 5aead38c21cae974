/**
 * What the nemesis can do to a world.
 */
import type { Fault as ApiFault } from "../../src/testing/BotApi.ts"

export type Victim = "gateway" | "desk" | "attic" | "model" | "botApi"

export type Fault =
  /** Dies at the n-th passage of a named point. A point of the start is armed before the process starts. */
  | {
      readonly kind: "point"
      readonly victim: "gateway" | "desk"
      readonly name: string
      readonly nth: number
      readonly atStart: boolean
    }
  /** SIGKILL after so many milliseconds, and back after `awayMs`. */
  | { readonly kind: "instant"; readonly victim: Victim; readonly afterMs: number; readonly awayMs: number }
  /** The Gateway is killed, started, and killed again so many milliseconds after it was spawned. */
  | { readonly kind: "startup"; readonly afterMs: number }
  /** The Gateway is killed, started, and killed again so many milliseconds after it was ready, while it resumes. */
  | { readonly kind: "recovery"; readonly afterMs: number }
  /** SIGSTOP, and SIGCONT after so many milliseconds. */
  | { readonly kind: "pause"; readonly victim: Victim; readonly forMs: number }
  /** SIGTERM, and started again. */
  | { readonly kind: "stop"; readonly afterMs: number }
  | { readonly kind: "api"; readonly fault: ApiFault }
  | { readonly kind: "answer"; readonly fault: "500" | "429" | "refuse" | "cut"; readonly times: number }

/** The row of the table that a fault belongs to. */
export const classOf = (fault: Fault): string => {
  switch (fault.kind) {
    case "point":
      return `${fault.victim}: ${fault.name.split(":")[0] ?? ""}`
    case "instant":
      return `${fault.victim}: any instant`
    case "startup":
      return "gateway: during start-up"
    case "recovery":
      return "gateway: during recovery"
    case "pause":
      return `${fault.victim}: stopped and continued`
    case "stop":
      return "gateway: SIGTERM"
    case "api":
      return `Bot API: ${fault.fault.kind === "refuse" ? fault.fault.code : fault.fault.kind}${fault.fault.carriedOut === true ? ", carried out" : ""}`
    case "answer":
      return `model: ${fault.fault}`
  }
}

/** In one line, for a person. */
export const describe = (fault: Fault): string => {
  switch (fault.kind) {
    case "point":
      return `${fault.victim} dies at passage ${fault.nth} of ${fault.name}`
    case "instant":
      return `${fault.victim} is killed after ${fault.afterMs} ms, away for ${fault.awayMs} ms`
    case "startup":
      return `gateway is killed ${fault.afterMs} ms after it was spawned`
    case "recovery":
      return `gateway is killed ${fault.afterMs} ms after it was ready`
    case "pause":
      return `${fault.victim} stands still for ${fault.forMs} ms`
    case "stop":
      return `gateway is told to end after ${fault.afterMs} ms`
    case "api":
      return `Bot API: ${JSON.stringify(fault.fault)}`
    case "answer":
      return `model: ${fault.fault}, ${fault.times} times`
  }
}

/** How often the Gateway may die by it, which counts against the turns that run. */
export const deathsBy = (fault: Fault): number => {
  switch (fault.kind) {
    case "point":
      return fault.victim !== "gateway" ? 0 : fault.atStart ? 2 : 1
    case "instant":
      return fault.victim === "gateway" ? 1 : 0
    case "startup":
      return 2
    case "recovery":
      return 1
    default:
      return 0
  }
}

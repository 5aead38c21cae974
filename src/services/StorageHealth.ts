/**
 * Whether state can be stored. While it cannot, nothing new is confirmed to anybody; what waits goes on by itself once it
 * can again.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { StorageStatus } from "../protocol/methods/system.ts"

export type { StorageStatus }

/** What is wrong with the storage. */
export type StorageTrouble = Exclude<StorageStatus["condition"], "ok">

export class StorageHealth extends Context.Service<
  StorageHealth,
  {
    /** What was last known: failures are noted as they happen, recovery as soon as a commit has proved it. */
    readonly status: Effect.Effect<StorageStatus>
    /** The same, for whoever runs outside of Effect. */
    readonly statusUnsafe: () => StorageStatus
    /** Waits for the next change of the condition. Each change is given to one taker. */
    readonly nextChange: Effect.Effect<StorageStatus>
    /** A commit of several pages has reached the disk. A corrupt file stays corrupt until the next start. */
    readonly proved: Effect.Effect<void>
  }
>()("openclaw/services/StorageHealth") {}

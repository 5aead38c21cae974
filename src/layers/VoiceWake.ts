/**
 * `VoiceWake` in the state database: one row.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import { EventBus } from "../services/EventBus.ts"
import { VoiceWake, VoiceWakeStorageFailed } from "../services/VoiceWake.ts"
import * as Time from "./now.ts"

/** As in OpenClaw: its devices expect these until somebody chooses others. */
export const DEFAULT_TRIGGERS: ReadonlyArray<string> = ["openclaw", "claude", "computer"]
const MAX_TRIGGERS = 32
const MAX_UNITS = 64

const TriggersJson = Schema.fromJsonString(Schema.Array(Schema.String))
const decode = Schema.decodeUnknownEffect(TriggersJson)
const encode = Schema.encodeEffect(TriggersJson)

/** No half of a surrogate pair is left at the end. */
const cut = (text: string): string => {
  const short = text.slice(0, MAX_UNITS)
  return text.length > MAX_UNITS && /[\uD800-\uDBFF]$/.test(short) ? short.slice(0, -1) : short
}

/** The words as they are kept. */
export const normalized = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kept = words
    .map((word) => word.trim())
    .filter((word) => word !== "")
    .slice(0, MAX_TRIGGERS)
    .map(cut)
  return kept.length === 0 ? DEFAULT_TRIGGERS : kept
}

const failed = (doing: string) => (error: { readonly message: string }) =>
  new VoiceWakeStorageFailed({ message: `${doing} the wake words failed: ${error.message}` })

export const layer: Layer.Layer<VoiceWake, never, EventBus | SqlClient.SqlClient> = Layer.effect(
  VoiceWake,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const events = yield* EventBus
    // What is told is told in the order of the changes.
    const { withPermit } = yield* Semaphore.make(1)

    const triggers = sql<{ readonly triggers: string }>`SELECT triggers FROM voice_wake`.pipe(
      Effect.flatMap(([row]) => (row === undefined ? Effect.succeed(DEFAULT_TRIGGERS) : decode(row.triggers))),
      Effect.mapError(failed("reading"))
    )
    const keep = Effect.fnUntraced(
      function* (words: ReadonlyArray<string>) {
        const kept = normalized(words)
        yield* sql`
        INSERT INTO voice_wake ${sql.insert({ id: 1, triggers: yield* encode(kept), updated_at: yield* Time.now })}
        ON CONFLICT (id) DO UPDATE SET triggers = excluded.triggers, updated_at = excluded.updated_at`
        return kept
      },
      Effect.mapError(failed("keeping"))
    )

    return VoiceWake.of({
      triggers: Effect.withSpan(triggers, "VoiceWake.triggers"),
      set: Effect.fn("VoiceWake.set")((words) =>
        keep(words).pipe(
          Effect.tap((kept) => events.publish("voicewake.changed", { triggers: kept })),
          Effect.uninterruptible,
          withPermit
        )
      ),
      tell: Effect.fn("VoiceWake.tell")((to) =>
        withPermit(Effect.flatMap(triggers, (known) => events.publish("voicewake.changed", { triggers: known }, to)))
      )
    })
  })
)

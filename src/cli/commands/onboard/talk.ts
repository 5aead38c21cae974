/**
 * Step 5: somebody is let in, and the first message gets its reply.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { type AccessRequest, ChannelAccess } from "../../../services/ChannelRouter.ts"
import { Asking, choose, line } from "../../asking.ts"
import { describe } from "../../errors.ts"
import { lines, plain } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as Agent from "../agent/run.ts"
import { access } from "../pairing/shared.ts"

const CHANNEL = "telegram"
/** Of somebody who has waited with a message for as long. */
const LOOK_EVERY = "500 millis"

const nameOf = ({ displayName, senderId, username }: AccessRequest): string =>
  [
    plain(displayName ?? "somebody"),
    ...(username === undefined ? [] : [`@${plain(username)}`]),
    `id ${plain(senderId)}`
  ].join(", ")

/** Whoever asks to be let in, and was not seen before. */
const nextOf = (store: ChannelAccess["Service"], seen: ReadonlySet<string>) =>
  Effect.map(store.pending(CHANNEL), (all) => all.find(({ senderId }) => !seen.has(senderId))).pipe(
    Effect.repeat({ schedule: Schedule.spaced(LOOK_EVERY), until: (found) => found !== undefined }),
    Effect.map((found) => Option.fromUndefinedOr(found))
  )

/** Somebody writes to the bot; here they are let in. Enter goes on without. */
export const letIn = Effect.fn("cli.onboard.letIn")(function* (bot: string) {
  const { orSkip } = yield* Asking
  const store = yield* ChannelAccess
  const seen = new Set<string>()
  yield* Console.log(`Write to ${bot} in Telegram now, anything at all. Whoever writes appears here. (Enter: later)`)
  while (true) {
    const asked = Option.flatten(
      yield* orSkip(nextOf(store, seen).pipe(waiting(`Waiting for somebody to write to ${bot}`)))
    )
    if (Option.isNone(asked)) {
      yield* Console.log(
        "Later: `openclaw pairing list` shows who waits, `openclaw pairing approve telegram <code>` lets them in."
      )
      return
    }
    seen.add(asked.value.senderId)
    const yes = yield* choose(`Let ${nameOf(asked.value)} write to the agent?`, [
      { title: "Yes", value: true },
      { title: "No", value: false }
    ])
    if (!yes) continue
    yield* store.approve(CHANNEL, asked.value.code)
    yield* Console.log(
      `${plain(asked.value.displayName ?? asked.value.senderId)} is let in. The next message to ${bot} is answered.`
    )
    return
  }
}, Effect.provide(access))

/** A message from this terminal, and the reply; empty for none. A turn that fails is told, and may be tried again. */
export const firstMessage = Effect.fn("cli.onboard.firstMessage")(function* () {
  let initial = "Hello! What can you do?"
  while (true) {
    const message = yield* line({ message: "Say something to the agent (empty: later)", initial })
    if (message === "") return
    const failed = yield* Agent.run({
      message,
      messageFile: undefined,
      sessionKey: undefined,
      sessionId: undefined,
      agent: undefined,
      to: undefined,
      replyTo: undefined,
      channel: undefined,
      replyChannel: undefined,
      account: undefined,
      deliver: false,
      model: undefined,
      thinking: undefined,
      timeout: undefined
    }).pipe(
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(describe(error).message))
    )
    if (failed === undefined) return
    yield* Console.error(lines(failed))
    initial = message
  }
})

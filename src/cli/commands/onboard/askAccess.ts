/**
 * Step 3 on a terminal: who reaches the Gateway, on which port, and how it knows them.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Back, choose, type Choice, followed, line, secret } from "../../asking.ts"
import { lines, plain } from "../../output.ts"
import * as State from "../../state.ts"
import {
  type Access,
  type Bind,
  BIND_WORDS,
  bindProblem,
  concerns,
  decided,
  inWords,
  portProblem,
  presentOf
} from "./access.ts"
import { inFile, secretOf } from "./flags.ts"

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const BINDS: ReadonlyArray<Bind> = ["loopback", "tailnet", "lan"]
/** Set by hand, to what is not asked for here. */
const AS_IT_IS = "As it is configured"

/** The present one first, so that Enter keeps it. */
const presentFirst = <A>(present: A, all: ReadonlyArray<A>): ReadonlyArray<A> => [
  present,
  ...all.filter((each) => each !== present)
]

const askBind = (now: Access) =>
  Effect.gen(function* () {
    while (true) {
      const bind = yield* choose(
        "Who reaches the Gateway?",
        presentFirst<Access["bind"]>(now.bind, BINDS).map((value) => ({
          title: value === undefined ? AS_IT_IS : capital(BIND_WORDS[value]),
          value
        }))
      )
      const problem = yield* bindProblem(bind)
      if (problem === undefined) return bind
      yield* Console.error(lines(problem))
    }
  })

const portIn = (text: string): number | undefined => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

const askPort = (now: Access) =>
  Effect.map(
    line({
      message: "Port",
      initial: String(now.port),
      validate: Effect.fnUntraced(function* (text: string) {
        const port = portIn(text)
        if (port === undefined) return "a number from 1 to 65535"
        const held = yield* portProblem(port)
        return held === undefined ? undefined : inWords(held)
      })
    }),
    (text) => portIn(text) ?? now.port
  )

const askAuth = (now: Access, present: OpenClawConfig) =>
  followed(
    choose(
      "How does it know its friends?",
      presentFirst<Access["auth"]>(now.auth, ["token", "password"]).map((value): Choice<Access["auth"]> => {
        if (value === undefined) return { title: AS_IT_IS, value, description: present.gateway?.auth?.mode ?? "" }
        if (value === "password") return { title: "By a password", value, description: "one that you can remember" }
        const has = present.gateway?.auth?.token !== undefined
        return {
          title: "By a token",
          value,
          description: has
            ? "the one that is configured"
            : "a long one is made at the first start, and kept in the file"
        }
      })
    ),
    Effect.fnUntraced(function* (auth) {
      if (auth !== "password") return { auth, secret: undefined }
      const has = present.gateway?.auth?.password !== undefined
      const typed = Redacted.value(
        yield* secret(has ? "Password (empty keeps the one that is configured)" : "Password", (text) =>
          text === "" ? (has ? undefined : "a password, please") : text.length < 8 ? "at least 8 characters" : undefined
        )
      )
      return { auth, secret: typed === "" ? undefined : inFile(yield* secretOf(typed)) }
    })
  )

/** What the audit would say of it is said now. */
const agreed = Effect.fnUntraced(function* (access: Access) {
  const found = yield* concerns(access)
  if (found.length === 0) return access
  for (const { detail, remediation, title } of found) {
    yield* Console.error(`${plain(title)}: ${plain(detail)}\nFix: ${plain(remediation)}.`)
  }
  const goOn = yield* choose("Go on like this?", [
    { title: "Choose again", value: false },
    { title: "Go on", value: true }
  ])
  return goOn ? access : yield* new Back({})
})

export const ask = (present: OpenClawConfig) =>
  Effect.gen(function* () {
    const { defaultPort } = yield* State.plan
    const now = presentOf(present, defaultPort)
    return yield* followed(askBind(now), (bind) =>
      followed(askPort(now), (port) =>
        followed(askAuth(now, present), ({ auth, secret }) =>
          Effect.map(agreed({ port, bind, auth, secret }), (access) => decided(access, present, defaultPort))
        )
      )
    )
  })

/**
 * A Gateway of one of the two programs, in an empty home, with the scripted model.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Child from "../crash/Child.ts"
import * as Rig from "../gateway/rig.ts"
import { differs } from "./Results.ts"
import { configure, environment, freePort, type Ground, home, type Program, SECRET } from "./ground.ts"

export interface Side {
  readonly name: Program["name"]
  readonly program: Program
  readonly port: number
  readonly home: string
  readonly url: string
  readonly gateway: Child.Life
}

/** Looks again until `read` gives something. */
export const until = <A, E, R>(
  what: string,
  read: Effect.Effect<A | undefined, E, R>,
  seconds = 60
): Effect.Effect<A, E | ReturnType<typeof differs>, R> =>
  read.pipe(
    Effect.flatMap((value) => (value === undefined ? Effect.fail("not yet" as const) : Effect.succeed(value))),
    Effect.retry({ while: (error) => error === "not yet", schedule: Schedule.spaced("100 millis") }),
    Effect.timeoutOrElse({
      duration: `${seconds} seconds`,
      orElse: () => Effect.fail(differs(`${what}: not within ${seconds} s`))
    })
  ) as Effect.Effect<A, E | ReturnType<typeof differs>, R>

/** The status of a GET, or `undefined` while nobody listens. */
export const statusOf = (url: string): Effect.Effect<number | undefined> =>
  Effect.orElseSucceed(
    Effect.tryPromise(async (signal) => {
      const response = await fetch(url, { signal })
      await response.body?.cancel()
      return response.status
    }),
    () => undefined
  )

const configOf = (ground: Ground, port: number, page: string | undefined): object => ({
  agents: { defaults: { model: { primary: "mock/m" } } },
  models: {
    providers: {
      mock: {
        baseUrl: `${ground.modelUrl}/v1`,
        apiKey: "k",
        api: "openai-completions",
        models: [{ id: "m", name: "m", contextWindow: 200_000 }]
      }
    }
  },
  update: { checkOnStart: false },
  gateway: {
    mode: "local",
    bind: "loopback",
    port,
    auth: { mode: "token", token: SECRET },
    ...(page === undefined ? undefined : { controlUi: { root: page } })
  }
})

/** Starts it until the scope closes. Ours gets the other's page to serve. */
export const start = Effect.fnUntraced(function* (ground: Ground, program: Program) {
  const port = yield* freePort
  const at = home(ground, `${program.name}-gateway`)
  configure(at, configOf(ground, port, program.name === "ours" ? ground.theirs.page : undefined))
  const gateway = yield* Child.start({
    name: `${program.name} gateway`,
    args: [program.entry, "gateway", "run", "--port", String(port)],
    env: environment(at),
    log: Path.join(ground.dir, `${program.name}-gateway.log`)
  })
  const log = `${ground.dir}/${program.name}-gateway.log`
  yield* Effect.raceFirst(
    until(
      `${program.name} Gateway is ready (${log})`,
      Effect.map(statusOf(`http://127.0.0.1:${port}/readyz`), (status) => (status === 200 ? true : undefined)),
      90
    ),
    Effect.flatMap(gateway.ended, (code) => Effect.fail(differs(`${program.name} Gateway ended with ${code}: ${log}`)))
  )
  return { name: program.name, program, port, home: at, url: `ws://127.0.0.1:${port}`, gateway } satisfies Side
})

const scopes = [
  "operator.admin",
  "operator.read",
  "operator.write",
  "operator.approvals",
  "operator.pairing",
  "operator.questions"
]

const patiently = <A>(raw: Rig.Raw, method: string, wait: Effect.Effect<A>) =>
  Effect.raceFirst(
    wait,
    Effect.flatMap(raw.close, ({ code, reason }) => Effect.fail(differs(`${method}: closed with ${code} ${reason}`)))
  ).pipe(
    Effect.timeoutOrElse({
      duration: "30 seconds",
      orElse: () => Effect.fail(differs(`${method}: no answer within 30 s`))
    })
  )

/** The answer to a request, or how the connection ended before it came. */
export const answerTo = (raw: Rig.Raw, method: string, params: unknown = {}) =>
  patiently(raw, method, raw.request(method, params))

/** Introduces itself; gives the answer, good or bad. */
export const introduce = Effect.fnUntraced(function* (
  side: Side,
  extra: Record<string, unknown> = {},
  device?: Rig.Device
) {
  const raw = yield* Rig.open(side.url)
  const challenge = yield* patiently(raw, "challenge", raw.challenge)
  const params = Rig.params({ auth: { token: SECRET }, scopes, ...extra })
  const answer = yield* answerTo(raw, "connect", device === undefined ? params : Rig.signed(device, challenge, params))
  return { raw, answer }
})

/** A raw connection with every scope, until the scope closes. */
export const operator = Effect.fnUntraced(function* (
  side: Side,
  extra: Record<string, unknown> = {},
  device?: Rig.Device
) {
  const { answer, raw } = yield* introduce(side, extra, device)
  if (answer.ok !== true) return yield* Effect.fail(differs(`connect: ${JSON.stringify(answer.error)}`))
  return raw
})

/** The payload of an answer; an error is a difference. */
export const ask = Effect.fnUntraced(function* (raw: Rig.Raw, method: string, params: unknown = {}) {
  const answer = yield* answerTo(raw, method, params)
  if (answer.ok !== true) return yield* Effect.fail(differs(`${method}: ${JSON.stringify(answer.error)}`))
  return answer.payload
})

/** Starts a node host of one program against the Gateway of a side. */
export const startNode = Effect.fnUntraced(function* (ground: Ground, program: Program, side: Side, name: string) {
  const at = home(ground, name)
  const life = yield* Child.start({
    name,
    args: [program.entry, "node", "run", "--host", "127.0.0.1", "--port", String(side.port), "--display-name", name],
    env: { ...environment(at), OPENCLAW_GATEWAY_TOKEN: SECRET },
    log: Path.join(ground.dir, `${name}.log`)
  })
  return { life, home: at }
})

/** The pending surface request of a node by its name. */
export const pendingOf = (raw: Rig.Raw, name: string) =>
  until(
    `${name} asks for its commands`,
    Effect.map(ask(raw, "node.pair.list"), (list) =>
      (list.pending as ReadonlyArray<{ requestId: string; nodeId: string; displayName?: string }>).find(
        ({ displayName }) => displayName === name
      )
    )
  )

/** Writes something into the run's folder, for whoever reads why a step differs. */
export const note = (ground: Ground, name: string, text: string): void => {
  const at = Path.join(ground.dir, "notes")
  Fs.mkdirSync(at, { recursive: true })
  Fs.writeFileSync(Path.join(at, name.replaceAll(/[^\w.-]+/g, "_")), text)
}

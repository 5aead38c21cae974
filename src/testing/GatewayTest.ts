/**
 * A whole Gateway in a test, on the clock of the test: real SQLite, a state directory that goes away with the scope, and the
 * other ends of all that it speaks with.
 *
 * **When to use**
 *
 * In a test of a node, a channel, a tool or an agent. Under `it.effect` it runs on `TestClock`, so that timeouts, retries and
 * schedules happen when the test adjusts the clock; under `it.live` in real time.
 *
 * **Details**
 *
 * Besides the services of the Gateway the layer gives `GatewayTest`, the Bot API of a bot that the Gateway runs once `telegram`
 * is set (`BotApi`, in memory), and the switches of the links (`Faults`). `ask` and `client` reach the Gateway in this process,
 * without a socket; `connect` goes through one, on a free port of loopback.
 *
 * **Gotchas**
 *
 * What passes a socket takes real time, which `TestClock.adjust` does not wait for. With `connect`, `BotApi.serve` or
 * `ProviderServer` use `it.live`, or wait for what arrives before the clock is adjusted.
 *
 * **Example** (A turn that calls a node)
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import { GatewayTest, MockNode, ScriptedModel } from "openclaw/testing"
 *
 * const models = ScriptedModel.layer([
 *   ScriptedModel.invoke("lamp", "lamp.set", { on: true }),
 *   { text: "The lamp is on." }
 * ])
 *
 * it.effect("switches the lamp on", () =>
 *   Effect.gen(function*() {
 *     const gateway = yield* GatewayTest.GatewayTest
 *     const lamp = yield* MockNode.make({ nodeId: "lamp", commands: { "lamp.set": Effect.succeed({ on: true }) } })
 *     const { text } = yield* gateway.ask("light, please")
 *     assert.strictEqual(text, "The lamp is on.")
 *     assert.deepStrictEqual((yield* lamp.calls).map(({ params }) => params), [{ on: true }])
 *   }).pipe(Effect.provide(GatewayTest.layer({ models }))))
 * ```
 */
import { randomBytes, randomUUID } from "node:crypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { type ConnectOptions, Dialer } from "../client/Connect.ts"
import { ConnectionClosed, type ConnectError, GatewayUnreachable } from "../client/errors.ts"
import { GatewayClient, type InProcessClientOptions } from "../client/GatewayClient.ts"
import type { InProcessError } from "../client/inProcess.ts"
import { open } from "../client/Socket.ts"
import { token as tokenCredential } from "../domain/Credential.ts"
import { type Endpoint, loopback } from "../domain/Endpoint.ts"
import { RunId } from "../domain/Ids.ts"
import { SessionKey } from "../domain/SessionKey.ts"
import { VERSION } from "../domain/Version.ts"
import * as ConfigLayer from "../layers/config/Config.ts"
import * as GatewayLayer from "../layers/Gateway.ts"
import * as ModelsLayer from "../layers/models/Models.ts"
import * as StateDirLayer from "../layers/StateDir.ts"
import * as Storage from "../layers/storage/Storage.ts"
import { Config } from "../services/Config.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"
import { InProcessClosed } from "../services/Gateway.ts"
import { Models } from "../services/Models.ts"
import { NodeRegistry } from "../services/NodeRegistry.ts"
import { StateDir } from "../services/StateDir.ts"
import { type TurnNotAccepted, type TurnOutcome, Turns } from "../services/Turns.ts"
import * as BotApi from "./BotApi.ts"
import * as Carriers from "./faults/carriers.ts"
import * as Nodes from "./faults/nodes.ts"
import * as Faults from "./Faults.ts"

type Section<Name extends keyof OpenClawConfig> = NonNullable<OpenClawConfig[Name]>
type Telegram = NonNullable<Section<"channels">["telegram"]>

/**
 * `M` is what `models` gives besides `Models`, as `ScriptedModel.layer` does: the layer gives it too. `T` and `X` are how
 * `tools` and `extensions` may fail to start.
 */
export interface GatewayTestOptions<M = never, T = never, X = never> extends Pick<
  GatewayLayer.GatewayLayerOptions,
  "limits" | "restart" | "turns"
> {
  /** `none`: no socket at all; `port` is 0 then, and `connect` finds nobody. */
  readonly listen?: "none"
  /** Tools under test: `Gateway.tools`. */
  readonly tools?: Layer.Layer<never, T>
  /** Channels and nodes under test: `Gateway.channel`, `Gateway.node`. */
  readonly extensions?: Layer.Layer<never, X, GatewayLayer.GatewayServices>
  /** The content of `openclaw.json`. Port and token are chosen by the kit. */
  readonly config?: OpenClawConfig
  /** `channels.telegram` of the bot behind the `BotApi` that the layer gives. Without it no bot runs. */
  readonly telegram?: Omit<Telegram, "apiRoot" | "botToken">
  /** The Gateway's language models; those of `config` when left out. */
  readonly models?: Layer.Layer<Models | M, never, Config | HttpClient.HttpClient>
  /** An existing state directory instead of a temporary one: to start again on what an earlier Gateway left. */
  readonly stateDir?: string
}

export interface AskOptions {
  /** `agent:main:main` when left out. */
  readonly sessionKey?: string
  /** Milliseconds for the whole turn; the agent's own limit when left out. */
  readonly timeoutMs?: number
}

/** The Gateway of this test, from the outside. */
export class GatewayTest extends Context.Service<
  GatewayTest,
  {
    readonly endpoint: Endpoint
    readonly port: number
    /** The Gateway's shared secret. */
    readonly token: string
    readonly stateDir: string
    /** One turn of the agent in this process: gives how it ended, also when it went wrong. */
    readonly ask: (text: string, options?: AskOptions) => Effect.Effect<TurnOutcome, TurnNotAccepted>
    /** A typed client in this process, without a socket, with every operator scope unless the options say otherwise. */
    readonly client: (
      options?: InProcessClientOptions
    ) => Effect.Effect<GatewayClient["Service"], InProcessError, Scope.Scope>
    /** Connects by a socket, as the CLI with every operator scope, unless the options say otherwise. */
    readonly connect: (
      options?: Partial<ConnectOptions>
    ) => Effect.Effect<GatewayClient["Service"], ConnectError, Scope.Scope>
  }
>()("openclaw/testing/GatewayTest") {}

const CUT = { code: 1006, reason: "the link is cut" }

/** Sockets that are opened over a link. */
const dialing = (link: Faults.Link): typeof open =>
  Effect.fnUntraced(function* (endpoint, ...rest) {
    const { delay, fate } = link.decide({ way: "request", what: "dial" })
    if (fate === "cut") return yield* new GatewayUnreachable({ endpoint, reason: "refused", detail: CUT.reason })
    if (fate === "dropped") return yield* Effect.never
    if (fate === "delayed") yield* Effect.sleep(delay)
    const connection = yield* open(endpoint, ...rest)
    return yield* Carriers.frames(link, connection, () => new ConnectionClosed(CUT))
  })

const outside = Effect.fnUntraced(function* (stateDir: string, secret: string) {
  const gateway = yield* GatewayLayer.Gateway
  const turns = yield* Turns
  const faults = yield* Faults.Faults
  const link = { node: yield* faults.link("node"), operator: yield* faults.link("client") }
  const endpoint = loopback(gateway.port)
  const overLink = GatewayLayer.Gateway.of({
    ...gateway,
    connect: (client) =>
      Effect.flatMap(gateway.connect(client), (socket) =>
        Carriers.frames(link.operator, socket, () => new InProcessClosed(CUT))
      )
  })
  return GatewayTest.of({
    endpoint,
    port: gateway.port,
    token: secret,
    stateDir,
    ask: Effect.fn("GatewayTest.ask")(function* (text, { sessionKey = "agent:main:main", timeoutMs } = {}) {
      const key = SessionKey.make(sessionKey)
      const runId = RunId.make(`ask-${randomUUID()}`)
      const request = { runId, sessionKey: key, agentId: key.split(":")[1] ?? "main", text }
      const receivedAt = yield* Clock.currentTimeMillis
      yield* Effect.catchTag(
        turns.submit({ ...request, receivedAt, ...(timeoutMs === undefined ? undefined : { timeoutMs }) }),
        "RunIdConflict",
        Effect.die
      )
      return yield* turns.await(runId, key)
    }),
    client: (options) => Effect.provideService(GatewayClient.inProcess(options), GatewayLayer.Gateway, overLink),
    connect: (options) =>
      GatewayClient.make({
        endpoint,
        client: { id: "cli", mode: "cli", version: VERSION, platform: "test" },
        scopes: ["operator.admin"],
        credentials: [tokenCredential(secret)],
        ...options
      }).pipe(Effect.provideService(Dialer, dialing(options?.role === "node" ? link.node : link.operator)))
  })
})

/** The method of a call of the Bot API. */
const botMethod = ({ pathname }: URL): string | undefined => {
  const found = /^\/(file\/)?bot[^/]+\/(.+)$/.exec(pathname)
  return found === null ? undefined : found[1] === undefined ? found[2] : "file"
}

/** What attaches nodes, with a registry whose nodes hang on the link. */
const onLink = <E, R>(link: Faults.Link, extensions: Layer.Layer<never, E, R>) =>
  Layer.provide(
    extensions,
    Layer.effect(
      NodeRegistry,
      Effect.map(NodeRegistry, (service) => Nodes.registry(link, service))
    )
  )

const withBot = (config: OpenClawConfig, bot: BotApi.BotApiServer, telegram: Telegram | undefined): OpenClawConfig =>
  telegram === undefined
    ? config
    : {
        ...config,
        channels: { ...config.channels, telegram: { ...telegram, botToken: bot.token, apiRoot: bot.url } }
      }

/**
 * A test's end does not adjust its clock, and a Gateway that ends waits for what still runs: from here on time passes by itself,
 * until all layers are closed.
 */
const passTime = (clock: Clock.Clock, outer: Scope.Scope): Effect.Effect<void> => {
  if (!Predicate.hasProperty(clock, "adjust")) return Effect.void
  const pass = Effect.sleep("5 millis").pipe(
    Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()),
    Effect.andThen(TestClock.adjust("1 second")),
    Effect.forever
  )
  return Effect.asVoid(Effect.forkIn(pass, outer))
}

/** Starts it. The services inside the Gateway are given too, so that a test may look at them or attach a mocked node. */
export const layer = <M = never, T = never, X = never>(options: GatewayTestOptions<M, T, X> = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const faults = yield* Effect.flatMap(Effect.serviceOption(Faults.Faults), (given) =>
        given._tag === "Some" ? Effect.succeed(given.value) : Faults.make()
      )
      const model = yield* faults.link("model")
      const node = yield* faults.link("node")
      const bot = yield* BotApi.memory()
      const http = Carriers.httpClient(yield* faults.link("botApi"), bot.route(yield* HttpClient.HttpClient), botMethod)
      const stateDir = options.stateDir ?? (yield* fs.makeTempDirectoryScoped({ prefix: "openclaw-test-" }))
      yield* fs.chmod(stateDir, 0o700)
      const secret = randomBytes(24).toString("hex")
      const config = withBot(options.config ?? {}, bot, options.telegram)
      const file = `${stateDir}/openclaw.json`
      const content: OpenClawConfig = {
        ...config,
        gateway: { mode: "local", ...config.gateway, auth: { mode: "token", token: secret } }
      }
      yield* fs.writeFileString(file, JSON.stringify(content), { mode: 0o600 })

      // Nothing besides `Models` is promised where no layer was given.
      const given = (options.models ?? ModelsLayer.layer) as NonNullable<typeof options.models>
      const models = Layer.flatMap(given, (context) =>
        Layer.succeedContext(Context.add(context, Models, Carriers.models(model, Context.get(context, Models))))
      )
      const storage = Storage.layerStateDir.pipe(
        Layer.provide(Layer.effectDiscard(Effect.flatMap(StateDir, (state) => state.own)))
      )
      const gateway = GatewayLayer.layer({
        flags: { port: 0 },
        models,
        ...(options.listen === undefined ? undefined : { listen: options.listen }),
        ...(options.tools === undefined ? undefined : { tools: options.tools }),
        ...(options.extensions === undefined ? undefined : { extensions: onLink(node, options.extensions) }),
        ...(options.restart === undefined ? undefined : { restart: options.restart }),
        ...(options.turns === undefined ? undefined : { turns: options.turns }),
        ...(options.limits === undefined ? undefined : { limits: options.limits })
      }).pipe(
        Layer.provide(storage),
        Layer.provideMerge([StateDirLayer.layer({ root: stateDir }), ConfigLayer.layer({ file, env: {} })]),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, http))
      )
      const atTheEnd = passTime(yield* Clock.Clock, yield* Effect.scope)
      const kit = Effect.tap(outside(stateDir, secret), () => Effect.addFinalizer(() => atTheEnd))
      return Layer.effect(GatewayTest, kit).pipe(
        // What the models' layer gives passes through the Gateway's, which does not know of it.
        Layer.provideMerge(
          gateway as Layer.Layer<
            Layer.Success<typeof gateway> | M,
            Layer.Error<typeof gateway>,
            Layer.Services<typeof gateway>
          >
        ),
        Layer.provideMerge(Layer.succeed(Faults.Faults, faults)),
        Layer.merge(Layer.succeed(BotApi.BotApi, bot))
      )
    })
  ).pipe(Layer.provide([NodeServices.layer, NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })]))

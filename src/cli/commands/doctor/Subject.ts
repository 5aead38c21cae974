/**
 * What all checks look at: the place, the configuration, the Gateway that runs. Looked up once.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { programOf } from "../../../domain/Profile.ts"
import { rights, within } from "../../../layers/security/look.ts"
import type { Rights } from "../../../layers/security/Finding.ts"
import * as EnvironmentFile from "../../../layers/service/environmentFile.ts"
import { configuration } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { owner } from "../../gateway.ts"
import { probe } from "../../probe.ts"
import { filesOf } from "../../service/definition.ts"
import * as State from "../../state.ts"

/** Milliseconds for the Gateway to answer. */
const GATEWAY_MS = 4_000

/** The files as they lay there before anything was read: reading some of them takes the rights of others away. */
export interface Lying {
  readonly root: Rights | undefined
  readonly config: Rights | undefined
  readonly files: ReadonlyArray<Rights>
}

const nothing = () => undefined

const lying = Effect.fnUntraced(function* (root: string, configFile: string) {
  const found = yield* Effect.orElseSucceed(rights(root), nothing)
  const files = found?.kind === "directory" && found.foreign !== true ? yield* within(root) : []
  return {
    root: found,
    config: yield* Effect.orElseSucceed(rights(configFile), nothing),
    files: files.filter(({ path }) => path !== configFile)
  } satisfies Lying
})

/** What the Gateway says of itself, in one connection. */
const asked = Effect.cached(
  probe({ scopes: ["operator.read", "operator.pairing"], timeoutMs: GATEWAY_MS, running: true }, (client) =>
    Effect.all(
      {
        status: client.call.status({}),
        channels: Effect.option(client.call["channels.status"]({})),
        nodes: Effect.option(client.call["node.list"]({})),
        pendingNodes: Effect.option(client.call["node.pair.list"]({})),
        devices: Effect.option(client.call["device.pair.list"]({}))
      },
      { concurrency: "unbounded" }
    )
  )
)

export const subject = Effect.gen(function* () {
  const place = yield* State.plan
  const before = yield* lying(place.root, place.configFile)
  const file = yield* configuration
  const running = Option.getOrUndefined(before.root?.kind === "directory" ? yield* owner : Option.none())
  return {
    ...place,
    program: programOf(place.profile),
    before,
    file,
    /** Empty where the file is missing or wrong. */
    config: file.config,
    remote: file.config.gateway?.mode === "remote",
    owner: running,
    ask: yield* asked
  }
})
export type Subject = Effect.Success<typeof subject>

/** With the variables that the service has besides those of this shell, which decide what its Gateway finds. */
export const withServiceVariables = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const environment = yield* Environment
    const { environmentFile } = yield* filesOf("gateway")
    const text = yield* Effect.orElseSucceed(fs.readFileString(environmentFile), () => "")
    const own = EnvironmentFile.parse(text)
    const variables = { ...own, ...environment.variables }
    return yield* Effect.provideService(effect, Environment, Environment.of({ ...environment, variables }))
  })

/** The nearest folder of a path that exists. */
export const standing = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  let at = path
  while (at !== join(at, "..") && !(yield* Effect.orElseSucceed(fs.exists(at), () => false))) at = join(at, "..")
  return at
})

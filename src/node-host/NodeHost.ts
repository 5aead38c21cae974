/**
 * `openclaw node run`: this machine as a node of a Gateway.
 *
 * It connects, declares what it can do, sends how the machine is doing every minute, and runs what it is asked to, as far
 * as its own list allows. While an operator's approval is missing it says which command gives it, and goes on by itself
 * once it is there.
 */
import * as Duration from "effect/Duration"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ReconnectingClient, type ReconnectOptions } from "../client/ReconnectingClient.ts"
import { EventTable } from "../protocol/EventTable.ts"
import type { StateDir } from "../services/StateDir.ts"
import { Supervisor } from "../services/Supervisor.ts"
import * as Commands from "./Commands.ts"
import { type Defaults, ExecApprovals } from "./ExecApprovals.ts"
import { HostInfo } from "./HostInfo.ts"
import { InvokeMemory, type JournalUnusable } from "./InvokeMemory.ts"
import * as Invokes from "./Invokes.ts"
import * as NodeLink from "./NodeLink.ts"

/** The Gateway will not have this node, and waiting cannot change that. */
export class NodeHostStopped extends Schema.TaggedError<NodeHostStopped>()("NodeHostStopped", {
  message: Schema.NonEmptyString
}) {}

/** What whoever runs the node may want to know. `message` is for people and names the command that helps. */
export interface Notice {
  readonly _tag:
    | "Connected"
    | "Away"
    | "DeviceApprovalNeeded"
    | "CommandApprovalNeeded"
    | "Approved"
    | "Rejected"
    | "Invoke"
  readonly message: string
  /** The request that waits for an operator. */
  readonly requestId?: string
  /** What an `Invoke` notice tells of. */
  readonly invoke?: Invokes.Invoke["phase"]
}

export interface ServeOptions extends Omit<Invokes.InvokesOptions, "onInvoke"> {
  /** Where notices go; to the log when left out. */
  readonly onNotice?: ((notice: Notice) => Effect.Effect<void>) | undefined
}

/** What a node host keeps and knows, on this machine. `env` and `cwd` are the process's own. */
export const layer = (options: {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** What runs while the node's owner has written no `exec-approvals.json`; nothing unasked when left out. */
  readonly execDefaults?: Defaults
}): Layer.Layer<ExecApprovals | HostInfo | InvokeMemory, JournalUnusable, StateDir> =>
  Layer.mergeAll(ExecApprovals.layer(options.execDefaults), HostInfo.layer(options), InvokeMemory.layer())

export type Requirements = ExecApprovals | FileSystem.FileSystem | HostInfo | InvokeMemory | Path.Path | Supervisor

const STATS_INTERVAL = Duration.minutes(1)
const decodeResolved = Schema.decodeUnknownOption(EventTable["node.pair.resolved"].payload)
const namedRequest = /nodes approve ([\w-]+)/

const noticeOf = (state: NodeLink.LinkState): Notice | undefined => {
  switch (state._tag) {
    case "Connected":
      return { _tag: "Connected", message: "connected to the Gateway" }
    case "Away":
      return { _tag: "Away", message: state.reason }
    case "PairingRequired": {
      // It becomes part of a command line that a person copies.
      const requestId = state.requestId !== undefined && /^[\w-]+$/.test(state.requestId) ? state.requestId : undefined
      const command = `openclaw devices approve ${requestId ?? "<id from `openclaw devices list`>"}`
      return {
        _tag: "DeviceApprovalNeeded",
        message: `the Gateway does not know this device yet; on its machine run: ${command}`,
        ...(requestId === undefined ? undefined : { requestId })
      }
    }
    case "Stopped":
      return undefined
  }
}

/** A Gateway that names the request saves the operator one step. */
const commandApproval = (requestId: string | undefined): Notice => ({
  _tag: "CommandApprovalNeeded",
  message: `connected; what this node may run waits for approval; on the Gateway's machine run: ${
    requestId === undefined
      ? "openclaw nodes pending, then openclaw nodes approve <requestId>"
      : `openclaw nodes approve ${requestId}`
  }`,
  ...(requestId === undefined ? undefined : { requestId })
})

const inWords = (invoke: Invokes.Invoke): string =>
  invoke.phase === "asked"
    ? `${invoke.command} asked for`
    : `${invoke.command} ${invoke.ok ? "answered" : "failed"} after ${invoke.durationMs} ms`

/** Serves commands over an existing link until the scope closes; fails when the link stopped for good. */
export const serve = Effect.fn("NodeHost.serve")(function* (
  link: NodeLink.NodeLink,
  commands: Commands.Commands,
  options: ServeOptions
): Effect.fn.Return<never, NodeHostStopped, HostInfo | InvokeMemory | Supervisor | Scope.Scope> {
  const host = yield* HostInfo
  const supervisor = yield* Supervisor
  const tell = options.onNotice ?? ((notice: Notice) => Effect.logInfo(notice.message))
  const invokes = yield* Invokes.make(link, commands, {
    ...options,
    onInvoke: (invoke) => tell({ _tag: "Invoke", message: inWords(invoke), invoke: invoke.phase })
  })
  const stats = yield* FiberHandle.make()
  const stopped = yield* Deferred.make<never, NodeHostStopped>()
  let last: string | undefined

  /** Each once: a Gateway that is away for an hour is one notice, not a hundred. */
  const notify = (notice: Notice) =>
    Effect.suspend(() => {
      if (notice.message === last) return Effect.void
      last = notice.message
      return tell(notice)
    })

  const report = Effect.gen(function* () {
    const payload = yield* host.stats
    yield* link.request("node.event", { event: "node.host.stats", payloadJSON: JSON.stringify(payload) })
  }).pipe(
    Effect.catch((error) =>
      error.awaitsApproval
        ? notify(commandApproval(namedRequest.exec(error.message)?.[1]))
        : Effect.logDebug("the Gateway did not take the host's stats", error.message)
    ),
    Effect.catchDefect((defect) => Effect.logError("reporting the host's stats died", defect))
  )

  const reportEveryMinute = FiberHandle.run(stats, Effect.forever(Effect.andThen(report, Effect.sleep(STATS_INTERVAL))))

  const onState = Effect.fnUntraced(function* (state: NodeLink.LinkState) {
    if (state._tag === "Stopped") {
      return yield* Deferred.fail(stopped, new NodeHostStopped({ message: state.reason }))
    }
    const notice = noticeOf(state)
    if (notice !== undefined) yield* notify(notice)
    return yield* state._tag === "Connected" ? reportEveryMinute : FiberHandle.clear(stats)
  })

  const onEvent = Effect.fnUntraced(function* ({ event, payload }: NodeLink.LinkEvent) {
    if (event === "node.invoke.request") return yield* invokes.take(payload)
    if (event === "node.invoke.cancel") return yield* invokes.cancel(payload)
    if (event !== "node.pair.resolved") return
    const resolved = decodeResolved(payload)
    if (resolved._tag === "None") return
    const { decision, requestId } = resolved.value
    yield* notify(
      decision === "approved"
        ? { _tag: "Approved", message: "an operator approved this node's commands", requestId }
        : {
            _tag: "Rejected",
            message: "an operator rejected this node's commands; it asks again when it reconnects",
            requestId
          }
    )
    if (decision === "approved") yield* reportEveryMinute
  })

  yield* supervisor.supervise("node-host/events", Stream.runForEach(link.events, onEvent), { restart: "on-failure" })
  yield* supervisor.supervise("node-host/link", Stream.runForEach(link.states, onState), { restart: "on-failure" })
  return yield* Deferred.await(stopped)
})

export interface RunOptions
  extends
    ServeOptions,
    Commands.CommandOptions,
    Pick<
      ReconnectOptions,
      "connectTimeout" | "credentials" | "device" | "deviceTokens" | "endpoint" | "gate" | "issuer" | "tlsFingerprint"
    > {
  /** Names this run of the program; the device's id when left out. */
  readonly instanceId?: string | undefined
}

/** Connects to a Gateway and serves it until interrupted. */
export const run = Effect.fn("NodeHost.run")(function* (
  options: RunOptions
): Effect.fn.Return<never, NodeHostStopped, Requirements | Scope.Scope> {
  const host = yield* HostInfo
  const commands = yield* Commands.make(options)
  const instanceId = options.instanceId ?? options.device?.id
  const client = yield* ReconnectingClient.make({
    endpoint: options.endpoint,
    gate: options.gate,
    tlsFingerprint: options.tlsFingerprint,
    credentials: options.credentials,
    device: options.device,
    deviceTokens: options.deviceTokens,
    issuer: options.issuer,
    connectTimeout: options.connectTimeout,
    client: {
      id: "node-host",
      mode: "node",
      displayName: options.displayName,
      version: options.version,
      platform: host.platform,
      deviceFamily: host.deviceFamily,
      ...(instanceId === undefined ? undefined : { instanceId })
    },
    role: "node",
    scopes: [],
    caps: Commands.caps,
    commands: [...commands.keys()],
    pathEnv: host.env["PATH"],
    name: "node-host/client",
    waitForPairing: true
  })
  return yield* serve(NodeLink.fromClient(client), commands, options)
}, Effect.scoped)

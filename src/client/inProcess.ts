/**
 * The way to a Gateway that runs in this process: its protocol, without a socket and without a credential.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { VERSION } from "../domain/Version.ts"
import type { ClientInfo } from "../protocol/Connect.ts"
import { PROTOCOL_VERSION } from "../protocol/Frame.ts"
import type { OperatorScope } from "../protocol/Role.ts"
import { Gateway, type InProcessClosed } from "../services/Gateway.ts"
import type { Connected } from "./Connect.ts"
import { ConnectionClosed, type HandshakeRejected, type ProtocolViolation } from "./errors.ts"
import { helloOf } from "./Handshake.ts"

/** The id under which the Gateway answers a `connect` that nobody sent. */
const ID = "connect"

export interface InProcessOptions {
  /** What its calls may do: every scope when left out. Each call is checked, as on a socket. */
  readonly scopes?: ReadonlyArray<OperatorScope> | undefined
  /** How it shows in presence and logs; as the app's own backend when left out, which is not shown. */
  readonly client?: ClientInfo | undefined
  /** `approvals` to be told of what waits for a person. */
  readonly caps?: ReadonlyArray<string> | undefined
}

/** Why a Gateway of this process did not let its client in: it is stopping, or is not this program's version. */
export type InProcessError = ConnectionClosed | HandshakeRejected | ProtocolViolation

const self: ClientInfo = { id: "gateway-client", mode: "backend", version: VERSION, platform: "in-process" }

const asClosed = ({ code, reason }: InProcessClosed) => new ConnectionClosed({ code, reason })

/** Connects until the scope closes. */
export const connect = Effect.fn("GatewayClient.inProcess")(function* ({
  caps,
  client = self,
  scopes = ["operator.admin"]
}: InProcessOptions): Effect.fn.Return<Connected, InProcessError, Gateway | Scope.Scope> {
  const gateway = yield* Gateway
  const { close, receive, send } = yield* gateway.connect({ client, scopes, caps })
  const connection = {
    close,
    send: (text: string) => Effect.mapError(send(text), asClosed),
    receive: Effect.mapError(receive, asClosed)
  }
  return { connection, hello: yield* helloOf(connection, ID, PROTOCOL_VERSION) }
})

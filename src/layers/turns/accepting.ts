/** What makes two messages one, and why one is not taken in. */
import { RunIdConflict, TurnNotAccepted, type TurnRequest } from "../../services/Turns.ts"

export const notAccepted = (doing: string) => (error: { readonly message: string }) =>
  new TurnNotAccepted({ message: `${doing} failed: ${error.message}` })

/** The same, where the message may clash with another that has its id. */
export const accepted = (doing: string) => (error: { readonly _tag: string; readonly message: string }) =>
  error instanceof RunIdConflict ? error : notAccepted(doing)(error)

/** What makes two requests one message. When it came and how it is to be answered may differ from one try to the next. */
export const isSame = (request: TurnRequest, stored: TurnRequest | undefined): boolean =>
  stored !== undefined &&
  stored.sessionKey === request.sessionKey &&
  stored.agentId === request.agentId &&
  stored.text === request.text

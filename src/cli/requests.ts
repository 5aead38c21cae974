/**
 * Approving and rejecting requests by their id.
 */
import { GatewayError } from "../protocol/GatewayError.ts"
import { CommandFailed } from "./errors.ts"
import { plain } from "./output.ts"

/** The Gateway does not know the request: it was resolved, or replaced when the device connected again. */
export const isUnknownRequest = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === "INVALID_REQUEST" && /unknown requestId/i.test(error.message)

/** What to do about a request id that the Gateway does not know. */
export const unknownRequest = (requestId: string, list: string) =>
  new CommandFailed({
    message: `no pending request has the id ${plain(requestId)}.\nFix: take the current id from \`${list}\`; a device that connects again makes a new request.`
  })

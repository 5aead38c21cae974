/**
 * What those who decide get to see: commands with nothing hidden in them.
 */
import type { ApprovalRequest } from "../../protocol/methods/approvals.ts"

/** What reorders, hides or breaks text: control, format, separator and surrogate characters, and blanks that look like none. */
const unsafe =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115F\u1160\u2800\u3164\uFFA0]|\u034F|[\uFE00-\uFE0F]|(?! )\p{Zs}/gu

/** The text with every such character written as `\u{202E}`: whole, and on one line. */
export const escaped = (text: string): string =>
  text.replace(unsafe, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`)

/** As much as OpenClaw shows of a command; a longer one is refused rather than cut. */
const LONGEST = 16_384

/** Whether a person could be shown the whole of it. */
export const isShowable = (text: string): boolean => text.length <= LONGEST && escaped(text).length <= LONGEST

/** `null` stays, and what is left out becomes it. */
export const escapedOrNull = (text: string | null | undefined) => (typeof text === "string" ? escaped(text) : null)

/** The request with its texts made safe to show. What an approval is bound to stays as it is. */
export const shown = (request: ApprovalRequest): ApprovalRequest => ({
  ...request,
  command: escaped(request.command),
  ...(request.envKeys === undefined ? undefined : { envKeys: request.envKeys.map(escaped) }),
  host: escapedOrNull(request.host),
  warningText: escapedOrNull(request.warningText),
  cwd: escapedOrNull(request.cwd),
  nodeId: escapedOrNull(request.nodeId),
  resolvedPath: escapedOrNull(request.resolvedPath)
})

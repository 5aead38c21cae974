/**
 * What ssh's last words mean.
 *
 * They are read only after it ended by itself. The other side writes into them too (its banner), but can bring about no more
 * by that than by refusing.
 */
import {
  PortTaken,
  SshAuthFailed,
  SshHostKeyRejected,
  SshTargetInvalid,
  SshUnreachable,
  SshUnusable,
  type TunnelError,
  type TunnelSpec
} from "../../services/TunnelManager.ts"
import { printable } from "../errors.ts"

/** Characters of ssh's output that are kept: its reason is at the end, a banner before it may be as long as it likes. */
export const TAIL_CHARACTERS = 8192

/** The end of a text that grows. */
export const tail = (before: string, chunk: string): string => (before + chunk).slice(-TAIL_CHARACTERS)

/** ssh reached the host, or left that to another program: what takes long from here on is not the way. */
export const isOpened = (said: string): boolean => /^debug1: (?:Connection established|Executing proxy)/m.test(said)

/** ssh listens on the tunnel's port, by its own word: it says so before it tries, and names the channel when it does. */
export const isListening = ({ localPort }: TunnelSpec, said: string): boolean =>
  new RegExp(
    `^debug1: Local forwarding listening on 127\\.0\\.0\\.1 port ${localPort}\\.\r?\ndebug1: channel \\d+: new `,
    "m"
  ).test(said)

/** ssh goes on, and could not listen there. */
export const isRefused = (spec: TunnelSpec, said: string): boolean =>
  !isListening(spec, said) && said.includes(`bind [127.0.0.1]:${spec.localPort}: `)

/** It is older than an option that it was given, and the tunnel can do without. */
export const isOld = (said: string): boolean => /Bad configuration option: forkafterauthentication/i.test(said)

/** It ended over a forward that the user's own configuration asks for, which the tunnel can do without. */
export const isOverAnother = (error: TunnelError, said: string): boolean =>
  (error._tag === "PortTaken" && error.configured) || /^Error: remote port forwarding failed/m.test(said)

/** What it says of itself where all is well. */
const isChatter = (line: string) => /^(?:debug\d: |Authenticated to |Transferred: |Bytes per second: )/.test(line)

type Diagnose = (spec: TunnelSpec, line: string, stderr: string) => TunnelError

const unreachable =
  (reason: SshUnreachable["reason"]): Diagnose =>
  ({ target }, detail) =>
    new SshUnreachable({ target, reason, detail })
const hostKey =
  (changed: boolean): Diagnose =>
  ({ target }) =>
    new SshHostKeyRejected({ target, changed })
/** After the tunnel's port ssh binds what its own configuration asks for, and ends where it cannot. */
const port =
  (forbidden: boolean): Diagnose =>
  (spec, _, stderr) => {
    const { localPort } = spec
    const failed = Number(/^(?:bind \[.*\]:|.*cannot listen to port: )(\d+)/m.exec(stderr)?.[1] ?? localPort)
    const configured = failed !== localPort || isListening(spec, stderr)
    return new PortTaken({ port: failed, forbidden, configured })
  }

/** The first that fits decides, so what is certain stands before what is vague. */
const known: ReadonlyArray<readonly [RegExp, Diagnose]> = [
  [/REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY|is marked as revoked/, hostKey(true)],
  [/Host key verification failed|No .*host key is known for/, hostKey(false)],
  [/bind \[.*\]: ?\S*: Permission denied|bind.*: Permission denied|[Pp]rivileged ports can only/, port(true)],
  [/Could not request local forwarding|cannot listen to port|bind.*Address already in use/, port(false)],
  [
    /Bad configuration option|bad configuration options|Bad owner or permissions|Unsupported option|command-line.*line \d|^usage: ssh|unknown option/m,
    (_, detail) => new SshUnusable({ detail })
  ],
  [
    /hostname contains invalid characters|Bad port|invalid user name|remote username contains invalid/,
    () => new SshTargetInvalid({ source: "ssh", problem: "is refused by ssh" })
  ],
  [
    /Permission denied \(|: Permission denied, please|Too many authentication failures|[Nn]o supported authentication methods|UNPROTECTED PRIVATE KEY/,
    ({ target }, detail) => new SshAuthFailed({ target, detail })
  ],
  [/Could not resolve hostname|Name or service not known|[Tt]emporary failure in name resolution/, unreachable("dns")],
  [/Connection refused/, unreachable("refused")],
  [/timed out|not responding/i, unreachable("timeout")],
  [/unreachable|No route to host|Network is down|Can't assign requested address/i, unreachable("network")]
]

/** Why ssh ended, from the end of what it wrote to its error output. Never fails: what nobody knows may heal. */
export const diagnose = (spec: TunnelSpec, stderr: string): TunnelError => {
  const lines = stderr.split(/\r?\n/).filter((line) => line.trim() !== "" && !isChatter(line))
  const said = lines.join("\n")
  for (const [pattern, error] of known) {
    if (!pattern.test(said)) continue
    return error(spec, printable(lines.findLast((line) => pattern.test(line)) ?? lines.at(-1) ?? ""), stderr)
  }
  return unreachable("closed")(spec, printable(lines.at(-1) ?? ""), stderr)
}

/**
 * The arguments of `ssh` for one tunnel.
 */
import * as SshTarget from "../../domain/SshTarget.ts"
import type { TunnelSpec } from "../../services/TunnelManager.ts"

/** Seconds between ssh's own questions to the other side; it gives up when three are unanswered. */
export const ALIVE_SECONDS = 5

/** Written by ssh's local command, which it runs once it has logged in and holds the local port. */
export const BOUND_MARK = "openclaw-forward-bound"

/**
 * Says that ssh is there, and ends it when its input ends: that is a pipe of this process, so an ssh does not outlive, and
 * keep the port of, a process that was killed. The user's own shell reads only as far as the quotes.
 */
const LOCAL_COMMAND = `exec /bin/sh -c 'exec 3<&0; (read -r _ <&3; kill $PPID) >/dev/null 2>&1 & echo ${BOUND_MARK}'`

/** What an earlier ssh ended over. */
export interface Learned {
  /** Other forwards that the user's own configuration asks for cannot be had: they end nothing. */
  readonly tolerant?: boolean
  /** This ssh is older than 8.7 and cannot be told, nor tell itself, to go into the background at login. */
  readonly old?: boolean
}

/**
 * An argument vector without the program. No shell reads it here, the host stands behind `--`, and whatever the user's own
 * configuration says of prompts, sharing or backgrounding is overruled. `connectSeconds` bounds the way to the host.
 */
export const sshArgs = (
  spec: TunnelSpec,
  connectSeconds: number,
  { old = false, tolerant = false }: Learned = {}
): ReadonlyArray<string> => {
  const { host, port, user } = SshTarget.parts(spec.target)
  const options = [
    "BatchMode=yes",
    `ExitOnForwardFailure=${tolerant ? "no" : "yes"}`,
    // One that goes there is nobody's child, and keeps the port for ever.
    ...(old ? [] : ["ForkAfterAuthentication=no"]),
    `ServerAliveInterval=${ALIVE_SECONDS}`,
    "ServerAliveCountMax=3",
    "TCPKeepAlive=yes",
    `ConnectTimeout=${connectSeconds}`,
    "ConnectionAttempts=1",
    // A shared connection would outlive this process, or end with another's.
    "ControlMaster=no",
    "ControlPath=none",
    "GatewayPorts=no",
    // So that the reason is told however quiet the user's ssh is, and when the way to the host is open.
    "LogLevel=DEBUG1",
    "PermitLocalCommand=yes",
    `LocalCommand=${LOCAL_COMMAND}`,
    ...(spec.hostKeyPolicy === "strict" ? ["StrictHostKeyChecking=yes"] : []),
    ...(spec.identityFile === undefined ? [] : ["IdentitiesOnly=yes"])
  ]
  return [
    // No command, no terminal, no forwarded agent or display.
    "-N",
    "-T",
    "-a",
    "-x",
    ...options.flatMap((option) => ["-o", option]),
    ...(spec.identityFile === undefined ? [] : ["-i", spec.identityFile]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    "-L",
    `127.0.0.1:${spec.localPort}:127.0.0.1:${spec.remotePort}`,
    "--",
    host
  ]
}

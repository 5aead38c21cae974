/**
 * `openclaw logs`: the end of the Gateway's log, and what comes to it.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const logs = Command.make(
  "logs",
  {
    follow: flags.on("follow", "Go on with what comes, until stopped"),
    limit: flags.whole("limit", "Lines at most, each time (default 200)", 1, 5_000),
    maxBytes: flags.whole("max-bytes", "Bytes of the log to read at most, each time (default 250000)", 1, 1_000_000),
    interval: flags.whole("interval", "With --follow: milliseconds between two looks (default 1000)", 1),
    plain: flags.on("plain", "Without colors"),
    utc: flags.on("utc", "Times in UTC instead of the local ones"),
    timeout: flags.timeout(30_000)
  },
  lazily(() => import("./logs/run.ts"))
).pipe(Command.withDescription("Show the Gateway's log"))

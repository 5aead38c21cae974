/**
 * `openclaw logs`: the end of the Gateway's log, and what comes to it.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"
import { levels } from "./logs/levels.ts"

export const logs = Command.make(
  "logs",
  {
    follow: flags.on("follow", "Go on with what comes, until stopped"),
    limit: flags.whole("limit", "Lines at most, each time (default 200)", 1, 5_000),
    maxBytes: flags.whole("max-bytes", "Bytes of the log to read at most, each time (default 250000)", 1, 1_000_000),
    interval: flags.whole("interval", "With --follow: milliseconds between two looks (default 1000)", 1),
    level: flags.oneOf("level", levels, "Only lines of this level or a graver one"),
    subsystem: flags.text("subsystem", "Only lines of one part of the Gateway: channels, gateway, turns, …"),
    grep: flags.text("grep", "Only lines that have this text in them, in whatever case"),
    trace: flags.text("trace", "Only lines of one trace, by its id or its turn's"),
    plain: flags.on("plain", "Without colors"),
    utc: flags.on("utc", "Times in UTC instead of the local ones"),
    timeout: flags.timeout(30_000)
  },
  lazily(() => import("./logs/run.ts"))
).pipe(Command.withDescription("Show the Gateway's log"))

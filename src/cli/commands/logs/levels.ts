/** Levels of a log line, from the least to the gravest. */
export const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const

/** One small thing of the library: the rest of it stays out of the bundle. */
import { SessionKey } from "openclaw"

export const isKey = (key: unknown): boolean => typeof key === "string" && SessionKey.SessionKey.make(key) === key

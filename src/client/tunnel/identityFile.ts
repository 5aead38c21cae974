/**
 * Whether a private key can be handed to ssh by its path, judged before ssh is started: it would warn of one that it cannot use,
 * and try the user's other keys or none.
 */
import { userInfo } from "node:os"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { SshIdentityUnusable } from "../../services/TunnelManager.ts"

/** Whoever else may read or write. ssh refuses such a key of its own user's. */
const OTHERS = 0o077

/** What ssh itself would read into a path. */
const EXPANDED = /[%~]|\$\{|\p{Cc}/u

/** The file may be reached through links; what counts is where they lead. */
export const check = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  path: string
): Effect.fn.Return<void, SshIdentityUnusable> {
  const unusable = (problem: SshIdentityUnusable["problem"], mode?: string) =>
    new SshIdentityUnusable({ path, problem, mode })
  if (!/^(?:\/|[A-Za-z]:[\\/])/.test(path)) return yield* unusable("relative")
  if (EXPANDED.test(path)) return yield* unusable("expanded")
  const found = yield* fs
    .stat(path)
    .pipe(Effect.mapError(({ reason }) => unusable(reason._tag === "NotFound" ? "missing" : "unreadable")))
  if (found.type !== "File") return yield* unusable("no-file")
  yield* Effect.mapError(fs.access(path, { readable: true }), () => unusable("unreadable"))
  // A public key stands for one that an agent or a token holds.
  const own = Option.getOrUndefined(found.uid) === userInfo().uid
  if (own && !path.endsWith(".pub") && (found.mode & OTHERS) !== 0) {
    return yield* unusable("open", (found.mode & 0o777).toString(8))
  }
})

/**
 * The certificate of this machine's own Gateway: whoever may read its files needs nobody to vouch for it. Nothing is made or
 * repaired here, and no key is read.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { certificateIn } from "../layers/gateway/tls/certificate.ts"
import { filesOf } from "../layers/gateway/tls/settings.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"
import * as State from "./state.ts"

/** Its fingerprint; `undefined` without TLS, and where there is no certificate (yet): an authority has to vouch then. */
export const ownCertificate = Effect.fnUntraced(function* (config: OpenClawConfig) {
  const { configFile, root } = yield* State.plan
  const files = filesOf(config.gateway?.tls, configFile, (...segments) => join(root, ...segments))
  if (files === undefined) return undefined
  const pem = yield* Effect.orElseSucceed(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(files.certPath)),
    () => ""
  )
  return Option.getOrUndefined(Option.map(certificateIn(pem), ({ fingerprint }) => fingerprint))
})

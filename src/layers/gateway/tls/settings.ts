/**
 * Where `gateway.tls` says that certificate and key are.
 */
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { Config, ConfigInvalid } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import type { TlsOptions } from "../options.ts"
import type { TlsFiles } from "./material.ts"

/** The pair that a Gateway makes for itself, inside the state directory. */
export const OWN_CERT = ["gateway", "tls", "gateway-cert.pem"] as const
export const OWN_KEY = ["gateway", "tls", "gateway-key.pem"] as const

type Section = NonNullable<OpenClawConfig["gateway"]>["tls"]

/** `undefined` where TLS is off. `file` is the configuration, `inState` gives a path in the state directory. */
export const filesOf = (
  section: Section,
  file: string,
  inState: (...segments: ReadonlyArray<string>) => string
): TlsFiles | undefined => {
  if (section?.enabled !== true) return undefined
  const given = (path: string | undefined) => {
    const trimmed = path?.trim() ?? ""
    return trimmed === "" ? undefined : resolve(dirname(file), trimmed)
  }
  const caPath = given(section.caPath)
  return {
    certPath: given(section.certPath) ?? inState(...OWN_CERT),
    keyPath: given(section.keyPath) ?? inState(...OWN_KEY),
    autoGenerate: section.autoGenerate !== false,
    ...(caPath === undefined ? undefined : { caPath })
  }
}

/** A certificate of somebody's own and a key that was made here never belong together. */
const halfGiven = (section: Section): "certPath" | "keyPath" | undefined => {
  const [cert, key] = [section?.certPath, section?.keyPath].map((path) => (path?.trim() ?? "") !== "")
  return cert === key ? undefined : cert === true ? "keyPath" : "certPath"
}

/** TLS as the configuration has it now. Renewal rests while `gateway.reload.mode` is `off`. */
export const tlsSettings = Effect.fnUntraced(function* (inState: (...segments: ReadonlyArray<string>) => string) {
  const config = yield* Config
  const { gateway } = yield* config.get
  const files = filesOf(gateway?.tls, config.file, inState)
  if (files === undefined) return undefined
  const missing = halfGiven(gateway?.tls)
  if (missing !== undefined) {
    const problem = {
      path: `gateway.tls.${missing}`,
      value: "nothing",
      expected: "a path, because the other of the pair has one"
    }
    return yield* new ConfigInvalid({ file: config.file, problems: [problem] })
  }
  const paused = Effect.match(config.get, {
    onSuccess: (now) => now.gateway?.reload?.mode === "off",
    // A file that is broken right now says nothing of certificates.
    onFailure: () => false
  })
  const found: TlsOptions = { ...files, paused }
  return found
})

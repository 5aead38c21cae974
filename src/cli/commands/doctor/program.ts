/**
 * The program itself, its configuration, and the clock.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { VERSION } from "../../../domain/Version.ts"
import { hostOf, knock } from "../../../layers/checks/reach.ts"
import { serverOf } from "../../../layers/checks/model.ts"
import { renamed } from "../../../layers/config/renamed.ts"
import { defaultApiRoot } from "../../../layers/telegram/Api.ts"
import { Config } from "../../../services/Config.ts"
import { modelOf } from "../../configuration.ts"
import { count, duration, plain } from "../../output.ts"
import { installedProgram } from "../../service/program.ts"
import * as State from "../../state.ts"
import { unresolvedSecrets } from "../../unresolved.ts"
import { caught, type Check, error, info, ok, partsOf, warn } from "./Check.ts"
import type { Subject } from "./Subject.ts"

/** The oldest Node that has what this program uses. */
const OLDEST_NODE = [22, 19] as const

const isOldNode = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])
}

export const program = Effect.gen(function* () {
  const node = process.versions.node
  const place = yield* Effect.result(installedProgram)
  const checks: ReadonlyArray<Check> = [
    isOldNode(node)
      ? error("program", "node", `Node ${node} is too old for openclaw ${VERSION}`, {
          fix: `install Node ${OLDEST_NODE.join(".")} or newer`
        })
      : ok("program", "node", `openclaw ${VERSION} on Node ${node}`)
  ]
  return Result.isSuccess(place)
    ? checks
    : [
        ...checks,
        info(
          "program",
          "place",
          "it runs from a cache, so that no service can start it",
          partsOf(place.failure.message)
        )
      ]
})

const MOST_KEYS = 5

const some = (all: ReadonlyArray<string>): string =>
  [...all.slice(0, MOST_KEYS).map(plain), ...(all.length > MOST_KEYS ? [`${all.length - MOST_KEYS} more`] : [])].join(
    ", "
  )

export const config = ({ file, program, remote }: Subject) =>
  Effect.gen(function* () {
    if (!file.exists) {
      return [
        warn("config", "file", `there is no configuration yet (${file.path})`, {
          fix: `\`${program} onboard\` makes one`
        })
      ]
    }
    if (!file.valid) {
      const { detail, fix } = partsOf(file.problem ?? "")
      return [error("config", "file", detail, { fix: fix ?? `correct ${file.path}` })]
    }
    const service = yield* Config
    const unused = yield* service.unusedKeys
    const missing = yield* unresolvedSecrets
    const { changes } = renamed(yield* service.raw)
    return [
      ok("config", "file", `${file.path} is valid`),
      ...missing.map(({ path, reason }) =>
        warn("config", "secret", `${path}: ${reason}`, {
          fix: `give it a value where the Gateway runs, or \`${program} config unset ${path}\``
        })
      ),
      ...(changes.length === 0
        ? []
        : [
            warn("config", "names", `older names are still read: ${changes.join(", ")}`, {
              fix: `\`${program} doctor --fix\` renames them`,
              repair: { kind: "config-names" }
            })
          ]),
      ...(unused.length === 0
        ? []
        : [info("config", "unused", `${count(unused.length, "key")} kept and not used here: ${some(unused)}`)]),
      ...(remote
        ? [
            info(
              "config",
              "mode",
              "gateway.mode is remote: commands talk to a Gateway elsewhere, and what is found here is this machine's"
            )
          ]
        : [])
    ]
  }).pipe(Effect.provide(State.config), caught("config", "file"))

/** Milliseconds by which clocks may differ before anybody notices, and before signatures and certificates fail. */
const SKEW_SEEN = 10_000
const SKEW_BAD = 60_000

const isLocal = (url: string): boolean => /^(?:localhost|127\.|\[::1\])/.test(hostOf(url))

/** Against the servers that the Gateway talks to anyway. One on this machine has the same clock. */
export const clock = ({ config, file }: Subject) =>
  Effect.gen(function* () {
    if (!file.valid) return [info("clock", "skew", "not compared with anybody's: the configuration cannot be read")]
    const telegram = config.channels?.telegram
    const ref = modelOf(config)
    const model = ref === undefined ? undefined : serverOf(config, ref.slice(0, ref.indexOf("/")))
    const servers = [
      ...(telegram === undefined ? [] : [telegram.apiRoot ?? defaultApiRoot]),
      ...(model === undefined ? [] : [model.baseUrl])
    ].filter((url) => !isLocal(url))
    const looked = yield* Effect.forEach(
      servers,
      (url) =>
        Effect.map(Effect.option(Effect.timeout(knock(url), "4 seconds")), (found) => ({
          host: hostOf(url),
          skewMs: found._tag === "Some" ? found.value.skewMs : undefined
        })),
      { concurrency: "unbounded" }
    )
    const [worst] = looked
      .flatMap(({ host, skewMs }) => (skewMs === undefined ? [] : [{ host, skewMs }]))
      .toSorted((a, b) => Math.abs(b.skewMs) - Math.abs(a.skewMs))
    if (worst === undefined) return [info("clock", "skew", "no server is in use whose clock could be compared")]
    const by = Math.abs(worst.skewMs)
    const words = `this machine's clock is ${duration(by)} ${worst.skewMs > 0 ? "behind" : "ahead of"} that of ${worst.host}`
    const fix = "have the clock set by the network (`timedatectl set-ntp true`)"
    if (by >= SKEW_BAD) return [error("clock", "skew", words, { fix })]
    return by >= SKEW_SEEN
      ? [warn("clock", "skew", words, { fix })]
      : [ok("clock", "skew", `agrees with ${worst.host}`)]
  })

/**
 * Which commands a node may be asked to run at all, before any operator approves them.
 *
 * A platform has a list of its own, observed on OpenClaw 2026.9.6 (21 declared commands of its Linux node host came down
 * to 13). `gateway.nodes.commands.allow` adds to it and is the only way to a dangerous command; `deny` wins over
 * everything. One list differs: `device.info` and `device.status` are allowed on Linux too, because our own node host
 * offers them there.
 */
import type { OperatorScope } from "../../protocol/Role.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"

export type Platform = "ios" | "watchos" | "android" | "macos" | "windows" | "linux" | "unknown"

/** Commands that reach into a person's life or spend money. Only an explicit `allow` opens them. */
const dangerous: ReadonlySet<string> = new Set([
  "camera.snap",
  "camera.clip",
  "camera.ptz.control",
  "screen.record",
  "contacts.add",
  "calendar.add",
  "reminders.add",
  "sms.send",
  "sms.search",
  "health.summary"
])

const device = ["device.info", "device.status"]
const personal = [
  "contacts.search",
  "calendar.events",
  "reminders.list",
  "photos.latest",
  "motion.activity",
  "motion.pedometer"
]
/** What a desktop's node host offers. Harmless to list because each still needs an operator's approval. */
const desktop = [
  "system.run",
  "system.run.prepare",
  "system.which",
  "system.execApprovals.get",
  "system.execApprovals.set",
  "system.notify",
  "fs.listDir",
  "terminal.upload",
  "browser.proxy",
  "browser.proxy.upload.v1",
  "mcp.tools.call.v1",
  "agent.cli.claude.run.v1",
  "screen.snapshot",
  "desktop.stream",
  "computer.act",
  "ollama.chat",
  "ollama.models"
]

const defaults: Readonly<Record<Platform, ReadonlySet<string>>> = {
  ios: new Set(["camera.list", "location.get", ...device, ...personal, "system.notify"]),
  watchos: new Set([...device, "system.notify"]),
  android: new Set([
    "camera.list",
    "location.get",
    "notifications.list",
    "notifications.actions",
    "system.notify",
    ...device,
    "device.permissions",
    "device.health",
    "device.apps",
    ...personal,
    "callLog.search",
    "mobile.ui.observe",
    "mobile.ui.act"
  ]),
  macos: new Set([
    "camera.list",
    "camera.ptz.status",
    "location.get",
    ...device,
    "device.apps",
    ...personal,
    ...desktop,
    "canvas.present",
    "canvas.hide",
    "canvas.navigate"
  ]),
  windows: new Set(["camera.list", "location.get", ...device, ...desktop]),
  linux: new Set([...device, ...desktop]),
  unknown: new Set(["camera.list", "location.get", "system.notify"])
}

const talk: ReadonlySet<string> = new Set(["talk.ptt.start", "talk.ptt.stop", "talk.ptt.cancel", "talk.ptt.once"])

/** Approving one of these hands out a shell, or the list that guards it. */
const adminOnly: ReadonlySet<string> = new Set([
  "system.run",
  "system.run.prepare",
  "system.which",
  "system.execApprovals.get",
  "system.execApprovals.set",
  "browser.proxy",
  "browser.proxy.upload.v1",
  "fs.listDir",
  "terminal.upload"
])

/** What reaches a machine's files or its signed-in browser without asking anybody there: only admins invoke it. */
export const invokedByAdmins: ReadonlySet<string> = new Set([
  "browser.proxy",
  "browser.proxy.upload.v1",
  "fs.listDir",
  "terminal.upload"
])

const families: ReadonlyArray<readonly [Platform, RegExp, RegExp]> = [
  ["ios", /^(?:ios|ipados)(?: \d+(?:\.\d+){0,2})?$/, /^(?:|iphone|ipad|ios)$/],
  ["watchos", /^watchos(?: \d+(?:\.\d+){0,2})?$/, /^(?:|apple watch|watchos)$/],
  ["android", /^android(?: \d+(?: \(sdk \d+\))?)?$/, /^(?:|android)$/],
  ["macos", /^(?:macos|darwin)(?: \d+(?:\.\d+){0,2})?$/, /^(?:|mac)$/],
  ["windows", /^(?:windows|win32)$/, /^(?:|windows)$/],
  ["linux", /^linux$/, /^(?:|linux)$/]
]

const normalized = (text: string | undefined) =>
  (text ?? "").normalize("NFKD").replace(/\p{M}/gu, "").trim().toLowerCase()

/**
 * The platform whose list applies. A platform and a family that contradict each other are `unknown`, the smallest list:
 * a node cannot widen what it may do by claiming two things.
 */
export const platformOf = (platform: string | undefined, deviceFamily: string | undefined): Platform => {
  const name = normalized(platform)
  const family = normalized(deviceFamily)
  if (name === "") return families.find(([, , accepts]) => family !== "" && accepts.test(family))?.[0] ?? "unknown"
  return (
    families.find(([, accepts, familyAccepts]) => accepts.test(name) && familyAccepts.test(family))?.[0] ?? "unknown"
  )
}

/** `gateway.nodes.commands` as sets; the older `allowCommands` and `denyCommands` count too. */
export interface CommandRules {
  readonly allow: ReadonlySet<string>
  readonly deny: ReadonlySet<string>
}

export const rulesOf = (config: OpenClawConfig): CommandRules => {
  const nodes = config.gateway?.nodes
  const names = (...lists: ReadonlyArray<ReadonlyArray<string> | undefined>) =>
    new Set(lists.flatMap((list) => list ?? []).map((name) => name.trim()))
  return {
    allow: names(nodes?.commands?.allow, nodes?.allowCommands),
    deny: names(nodes?.commands?.deny, nodes?.denyCommands)
  }
}

/** Whether only an explicit `allow` opens a command. */
export const isDangerous = (command: string): boolean => dangerous.has(command)

/** Whether some node may offer a command of exactly this name; what is none of these is a program's own. */
export const isKnown = (command: string): boolean =>
  dangerous.has(command) || talk.has(command) || Object.values(defaults).some((list) => list.has(command))

/** What decides for one node. `own` are the commands that an in-process node brings: code put them there, not a peer. */
export interface PolicySubject {
  readonly platform: Platform
  readonly own?: ReadonlySet<string>
}

export const isAllowed = (rules: CommandRules, subject: PolicySubject, command: string): boolean => {
  if (rules.deny.has(command)) return false
  if (rules.allow.has(command)) return true
  if (dangerous.has(command)) return false
  return talk.has(command) || defaults[subject.platform].has(command) || subject.own?.has(command) === true
}

/** Scopes that whoever approves these commands must hold. */
export const approveScopes = (commands: ReadonlyArray<string>): ReadonlyArray<OperatorScope> =>
  commands.some((command) => adminOnly.has(command))
    ? ["operator.pairing", "operator.admin"]
    : commands.length > 0
      ? ["operator.pairing", "operator.write"]
      : ["operator.pairing"]

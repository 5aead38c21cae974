/**
 * Named points inside a process that is to be killed, without any hook in the program: what passes is counted, and at
 * the armed passage the process is gone, before anything else can happen.
 *
 * `CRASH_DIR` names a folder of this process's own: `arm` in it holds the point to die at (`{ "name", "nth" }`), read when the process
 * starts and whenever SIGUSR2 arrives; the process writes `died` there as its last act. With `CRASH_LIST` it writes down each passage.
 */
import * as Fs from "node:fs"

interface Armed {
  readonly name: string
  readonly nth: number
}

const { CRASH_DIR: folder = ".", CRASH_LIST: listing } = process.env
// Children of this process are nobody's business.
delete process.env["NODE_OPTIONS"]

const list = listing === undefined ? undefined : Fs.openSync(`${folder}/passed`, "a", 0o600)
let armed: Armed | undefined
let passed = 0

const arm = (): void => {
  const text = Fs.existsSync(`${folder}/arm`) ? Fs.readFileSync(`${folder}/arm`, "utf8") : ""
  armed = text === "" ? undefined : (JSON.parse(text) as Armed)
  passed = 0
}
arm()
process.on("SIGUSR2", arm)

/** This point is passed now. */
export const pass = (name: string): void => {
  if (list !== undefined) Fs.writeSync(list, `${process.uptime().toFixed(3)} ${name}\n`)
  if (armed?.name !== name || ++passed < armed.nth) return
  Fs.writeFileSync(`${folder}/died`, JSON.stringify(armed))
  process.kill(process.pid, "SIGKILL")
}

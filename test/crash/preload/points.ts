/**
 * Named points inside a process that is to be killed, without any hook in the program: what passes is counted, and at
 * the armed passage the process is gone, before anything else can happen.
 *
 * In the process's own folder, `arm` holds the point to die at (`{ "name", "nth" }`), read when the process starts and whenever
 * SIGURG arrives; `died` is its last act. When it is listing, `passed` gets a line for each passage.
 */
import * as Fs from "node:fs"

interface Armed {
  readonly name: string
  readonly nth: number
}

let folder = "."
let list: number | undefined
let armed: Armed | undefined
let passed = 0

const arm = (): void => {
  const text = Fs.existsSync(`${folder}/arm`) ? Fs.readFileSync(`${folder}/arm`, "utf8") : ""
  armed = text === "" ? undefined : (JSON.parse(text) as Armed)
  passed = 0
}

/** To be called before anything can pass. `own`: absolute path of the process's folder. */
export const begin = (own: string, listing: boolean): void => {
  folder = own
  if (listing) list = Fs.openSync(`${own}/passed`, "a", 0o600)
  arm()
  process.on("SIGURG", arm)
}

/** This point is passed now. */
export const pass = (name: string): void => {
  if (list !== undefined) Fs.writeSync(list, `${process.uptime().toFixed(3)} ${name}\n`)
  if (armed?.name !== name || ++passed < armed.nth) return
  Fs.writeFileSync(`${folder}/died`, JSON.stringify(armed))
  process.kill(process.pid, "SIGKILL")
}

/**
 * OpenClaw's web page in headless Chromium, served by the Gateway: open, send, see the reply grow, look at devices and sessions.
 */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Browser from "./Browser.ts"
import { ANSWER, type Ground, SECRET } from "./ground.ts"
import { differs, type Results, Skipped } from "./Results.ts"
import { note, type Side, until } from "./Side.ts"

/** All text that is shown, shadow roots included. */
const TEXT = `(() => {
  const read = (node) => [...node.childNodes].map((child) =>
    child.nodeType === 3 ? child.data
    : child.nodeType !== 1 || ["STYLE", "SCRIPT", "TEMPLATE"].includes(child.tagName) ? ""
    : child.tagName === "SLOT" ? read(child)
    : (child.shadowRoot ? read(child.shadowRoot) : "") + read(child) + "\\n").join("");
  return document.body ? read(document.body) : "";
})()`

const COMPOSER = `(() => {
  const find = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.tagName === "TEXTAREA" && element.offsetParent !== null) return element;
      const within = element.shadowRoot && find(element.shadowRoot);
      if (within) return within;
    }
  };
  return find(document);
})()`

/** What an error banner says of a Gateway that does not answer as it should. */
const TROUBLE =
  /unknown method[^\n]*|missing scope[^\n]*|INVALID_REQUEST[^\n]*|invalid [\w.]+ params[^\n]*|Not sent|Connection (?:lost|failed)[^\n]*|Something went wrong[^\n]*/gi

/** The answer as it grows. */
const pieces = ANSWER.map((_, index) =>
  ANSWER.slice(0, index + 1)
    .join("")
    .trim()
)
const countOf = (text: string, piece: string): number => text.split(piece).length - 1

export const run = Effect.fnUntraced(function* (
  ground: Ground,
  results: Results,
  side: Side,
  chromium: string | undefined
) {
  const client = side.name === "ours" ? "their page" : "baseline page"
  const program = chromium ?? (yield* Browser.find)
  if (program === undefined) {
    yield* results.step(client, "open", Effect.fail(new Skipped({ message: "no Chromium on this machine" })))
    return
  }
  const origin = `http://127.0.0.1:${side.port}`
  const page = yield* Browser.open(program, Path.join(ground.dir, `chromium-${side.name}`))
  const text = Effect.map(page.evaluate(TEXT), String)
  const step = <E, R>(name: string, effect: Effect.Effect<unknown, E, R>) =>
    results.step(
      client,
      name,
      effect.pipe(
        Effect.ensuring(
          Effect.ignore(
            Effect.gen(function* () {
              yield* page.screenshot(Path.join(ground.dir, `page-${side.name}-${name.replaceAll(/\W+/g, "-")}.png`))
              note(ground, `page-${side.name}-${name}.txt`, `${yield* text}\n--- errors\n${page.errors.join("\n")}`)
            })
          )
        )
      )
    )
  const sees = (what: string, seconds: number, test: (text: string) => boolean) =>
    until(
      what,
      Effect.map(text, (shown) => (test(shown) ? shown : undefined)),
      seconds
    )
  const noTrouble = Effect.gen(function* () {
    const found = [...new Set((yield* text).match(TROUBLE) ?? [])]
    if (found.length > 0) return yield* Effect.fail(differs(...found.map((line) => `banner: ${line.trim()}`)))
  })

  const opened = yield* step(
    "open",
    Effect.gen(function* () {
      yield* page.command("Page.navigate", { url: `${origin}/#token=${SECRET}` })
      yield* until(
        "a place to write in",
        Effect.map(page.evaluate(`Boolean(${COMPOSER}) && !${COMPOSER}.disabled`), (there) =>
          there === true ? true : undefined
        ),
        60
      )
      yield* noTrouble
    })
  )
  if (!opened) return
  yield* step(
    "send, the reply grows",
    Effect.gen(function* () {
      const question = "What says the script on the page?"
      const before = yield* text
      const earlier = pieces.map((piece) => countOf(before, piece))
      yield* page.evaluate(`${COMPOSER}.focus()`)
      yield* page.command("Input.insertText", { text: question })
      const key = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: "\r" }
      yield* page.command("Input.dispatchKeyEvent", { type: "keyDown", ...key })
      yield* page.command("Input.dispatchKeyEvent", { type: "keyUp", ...key })
      yield* sees("the question", 20, (shown) => shown.includes(question))
      const seen = new Set<number>()
      yield* text.pipe(
        Effect.map((shown) => {
          // The last piece that is there once more than before the question.
          const last = pieces.findLastIndex((piece, index) => countOf(shown, piece) > (earlier[index] ?? 0))
          if (last >= 0) seen.add(last)
          return last === pieces.length - 1
        }),
        Effect.repeat({ until: (done) => done, schedule: Schedule.spaced("20 millis") }),
        Effect.timeoutOrElse({
          duration: "60 seconds",
          orElse: () => Effect.fail(differs("the reply: not within 60 s"))
        })
      )
      if (seen.size < 2) return yield* Effect.fail(differs("the reply was not seen growing"))
      yield* noTrouble
    })
  )
  const view = (name: string, path: string, shown: RegExp) =>
    step(
      name,
      Effect.gen(function* () {
        const before = page.errors.length
        yield* page.command("Page.navigate", { url: `${origin}${path}` })
        yield* sees(String(shown), 40, (found) => shown.test(found))
        // What a view asks for comes after its frame.
        yield* Effect.sleep("2 seconds")
        yield* noTrouble
        const fresh = page.errors.slice(before).filter((line) => /unknown method|FORBIDDEN|INVALID_REQUEST/.test(line))
        if (fresh.length > 0) return yield* Effect.fail(differs(...new Set(fresh.map((line) => `console: ${line}`))))
      })
    )
  yield* view("devices", "/settings/devices", /desk|Devices/)
  yield* view("sessions", "/sessions", /Sessions/)
  yield* view("after a reload the reply is there", "/chat?session=main", new RegExp(ANSWER.join("")))
}, Effect.scoped)

/**
 * Draws what a terminal showed as an SVG: `node tools/picture.mjs --title "openclaw trace" --out docs/pictures/trace.svg < capture.txt`.
 * Knows the colors and weights of SGR; a line that begins with `$ ` is a command that was typed.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { parseArgs, stripVTControlCharacters } from "node:util"

const { values: flags } = parseArgs({
  options: { title: { type: "string", default: "openclaw" }, out: { type: "string", default: "/dev/stdout" } }
})

const ESCAPE = String.fromCodePoint(27)
const FONT = 13
const WIDTH = 7.83
const HEIGHT = 18
const MARGIN = 16
const BAR = 34
const COLORS = ["#6b7280", "#f87171", "#86efac", "#fcd34d", "#93c5fd", "#d8b4fe", "#67e8f9", "#e5e7eb"]
const PLAIN = { fill: "#d1d5db", bold: false, dim: false }

// Spaces that do not break are not collapsed either.
const xml = (text) =>
  text
    .replaceAll(" ", "\u00a0")
    .replace(/[&<>"]/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char] ?? char)

const styled = (style, codes) =>
  codes.reduce((now, code) => {
    if (code === 0) return PLAIN
    if (code === 1) return { ...now, bold: true }
    if (code === 2) return { ...now, dim: true }
    if (code === 22) return { ...now, bold: false, dim: false }
    if (code === 39) return { ...now, fill: PLAIN.fill }
    const color = code >= 90 ? code - 90 : code - 30
    return COLORS[color] === undefined ? now : { ...now, fill: COLORS[color] }
  }, style)

/** Pieces of one style each; the style goes on over the end of a line, as in a terminal. */
const piecesOf = (text) => {
  let style = PLAIN
  return text.split("\n").map((line) => {
    if (line.startsWith("$ ")) {
      return [
        { text: "$ ", style: { ...PLAIN, fill: COLORS[2] } },
        { text: line.slice(2), style: { ...PLAIN, bold: true } }
      ]
    }
    // What follows an escape character begins with the sequence that it starts.
    return line.split(ESCAPE).flatMap((part, index) => {
      const codes = index === 0 ? undefined : /^\[([\d;]*)m/.exec(part)
      if (codes !== undefined && codes !== null) style = styled(style, codes[1].split(";").map(Number))
      const text = index === 0 ? part : stripVTControlCharacters(ESCAPE + part)
      return text === "" ? [] : [{ text, style }]
    })
  })
}

const span = ({ style, text }) =>
  `<tspan fill="${style.fill}"${style.bold ? ' font-weight="600"' : ""}${style.dim ? ' opacity="0.6"' : ""}>${xml(text)}</tspan>`

const rows = piecesOf(readFileSync(0, "utf8").replaceAll("\r", "").trimEnd())
const columns = Math.max(...rows.map((pieces) => pieces.reduce((length, { text }) => length + [...text].length, 0)))
const width = Math.ceil(columns * WIDTH + 2 * MARGIN)
const height = BAR + rows.length * HEIGHT + MARGIN

writeFileSync(
  flags.out,
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${xml(flags.title).replaceAll("\u00a0", " ")}">`,
    `<rect width="${width}" height="${height}" rx="10" fill="#111827"/>`,
    ...["#f87171", "#fcd34d", "#86efac"].map(
      (fill, index) => `<circle cx="${20 + index * 18}" cy="18" r="5.5" fill="${fill}"/>`
    ),
    `<text x="${width / 2}" y="22" text-anchor="middle" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12" fill="#9ca3af">${xml(flags.title)}</text>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="${FONT}">`,
    ...rows.map((pieces, index) => {
      const length = pieces.reduce((sum, { text }) => sum + [...text].length, 0)
      return length === 0
        ? ""
        : `<text x="${MARGIN}" y="${BAR + (index + 1) * HEIGHT - 5}" textLength="${(length * WIDTH).toFixed(1)}" lengthAdjust="spacing">${pieces.map(span).join("")}</text>`
    }),
    "</g>",
    "</svg>",
    ""
  ].join("\n")
)

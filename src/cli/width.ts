/**
 * How many cells of a terminal a text takes, measured as `effect/cli` measures its own tables; that one comes with all of the
 * command line's parser.
 */
const ascii = /^[ -~]*$/
// oxlint-disable-next-line no-control-regex -- escape sequences take no room.
const styles = /\u001b\[[0-9;]*m/g
const unseen = /[\p{Mark}\p{Control}\p{Default_Ignorable_Code_Point}]/gu
const emoji = /\p{Emoji_Presentation}|\ufe0f/u
/** East Asian letters of full width. */
const wide =
  /^[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3040-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f251}\u{20000}-\u{3fffd}]/u

const cellsOf = (grapheme: string): number => {
  const seen = grapheme.replace(unseen, "")
  if (seen === "") return 0
  return emoji.test(grapheme) || wide.test(seen) ? 2 : 1
}

let segmenter: Intl.Segmenter | undefined

export const displayWidth = (text: string): number => {
  if (ascii.test(text)) return text.length
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })
  let cells = 0
  for (const { segment } of segmenter.segment(text.replace(styles, ""))) cells += cellsOf(segment)
  return cells
}

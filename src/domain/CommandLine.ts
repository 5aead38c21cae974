/**
 * An argument vector as one line for a person: unambiguous, and without characters that could make it look like another.
 */

const plain = /^[A-Za-z0-9_@%+=:,./-]+$/
/** Control, format (zero-width, direction) and separator characters, and lone surrogates. */
const treacherous = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const escaped = (text: string) =>
  text.replace(treacherous, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? "fffd"}}`)

const quoted = (argument: string) =>
  plain.test(argument) ? argument : `"${escaped(argument.replace(/["\\$`]/g, String.raw`\$&`))}"`

/** For example `sh -c "echo hi && echo b"`. */
export const commandText = (argv: ReadonlyArray<string>): string => argv.map(quoted).join(" ")

const shells = /^(?:ba|da|z|k|fi)?sh$/
const baseName = (path: string) => path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)

/** The script of `sh -c "script"`, for the one form whose text callers may send instead of the whole line. */
const inlineScript = (argv: ReadonlyArray<string>): string | undefined =>
  argv.length === 3 && shells.test(baseName(argv[0] ?? "")) && /^-l?c$/.test(argv[1] ?? "") ? argv[2] : undefined

/** Whether `rawCommand` says what `argv` does. It is never run; a caller that shows it must not show something else. */
export const sameCommand = (rawCommand: string, argv: ReadonlyArray<string>): boolean => {
  const raw = rawCommand.trim()
  if (raw === commandText(argv) || raw === inlineScript(argv)?.trim()) return true
  return argv.every((argument) => plain.test(argument)) && raw === argv.join(" ")
}

/** How OpenClaw's nodes write an argument vector down: quoted only where there is a blank or a quote. */
const looseText = (argv: ReadonlyArray<string>): string =>
  argv
    .map((argument) => (/^[^\s"]+$/.test(argument) ? argument : `"${argument.replace(/"/g, String.raw`\"`)}"`))
    .join(" ")

/** What a person is to see of `argv`: the text that came with it where that says every argument, else the vector itself. */
export const honestText = (text: string, argv: ReadonlyArray<string>): string =>
  text === looseText(argv) || text === commandText(argv) ? text : commandText(argv)

/** Other words for `argv`, where they say the same: the program without its folder, or a shell's script alone. */
export const honestPreview = (text: string, argv: ReadonlyArray<string>): string | null => {
  const short = [baseName(argv[0] ?? ""), ...argv.slice(1)]
  const says = (words: ReadonlyArray<string>) => text === looseText(words) || sameCommand(text, words)
  return says(argv) || says(short) ? text : null
}

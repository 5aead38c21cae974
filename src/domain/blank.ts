/**
 * Texts that nobody sees.
 */

const invisible = /^[\s\p{Default_Ignorable_Code_Point}]*$/u

/** Nothing of it is visible: whitespace, and characters that only format others or show nothing. */
export const isBlank = (text: string): boolean => invisible.test(text)

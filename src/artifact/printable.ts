const unseen = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+/g

/**
 * Returns a text from a document in a form that a terminal, a log line and a page can show: control and direction characters are
 * one blank, and what is too long ends in "…".
 * @param maxChars the most UTF-16 units that come back
 */
export function printable(text: string, maxChars: number): string {
  const shown = text.slice(0, maxChars + 1).replace(unseen, ' ')
  return (shown.length > maxChars ? `${shown.slice(0, maxChars - 1)}…` : shown).toWellFormed()
}

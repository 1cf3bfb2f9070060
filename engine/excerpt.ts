/** Bytes of records in messages and on terminals: text as text, all else in hex, nothing that a terminal acts on. */
import { StringDecoder } from 'node:string_decoder'

/** Bytes that are shown of what is no text. */
const hexBytes = 24

/**
 * The beginning of `bytes[start, end)` on one line, at most `limit` characters: white space drawn together, characters that
 * control a terminal or reorder text escaped. What is no UTF-8, or holds control characters as no text does, is shown as `0x…`.
 */
export function excerpt(bytes: Uint8Array, start: number, end: number, limit = 80): string {
  const shown = Math.min(end, start + limit * 4)
  const part = bytes.subarray(start, shown)
  const text = decoded(part, shown < end)
  if (text === null) return hex(bytes.subarray(start, end))
  const line = text.replace(/\s+/gu, ' ').replace(unsafe, escaped)
  return line.length <= limit && shown === end ? line : `${line.slice(0, limit - 1).toWellFormed()}…`
}

/** Control and format characters, private and unassigned ones; line ends have become spaces by then. */
const unsafe = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`
}

/** Null for what is no text. A character that is cut by the end of the excerpt is left out. */
function decoded(part: Uint8Array, isCut: boolean): string | null {
  const decoder = new StringDecoder('utf8')
  const text = decoder.write(Buffer.from(part)) + (isCut ? '' : decoder.end())
  // A literal replacement character is text too.
  const isUtf8 = !text.includes('\ufffd') || Buffer.from(text).equals(part.subarray(0, Buffer.byteLength(text)))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return isUtf8 && !/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? text : null
}

function hex(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, hexBytes)).toString('hex').replace(/../g, '$& ').trimEnd()
  return `0x ${shown}${bytes.length > hexBytes ? ` … (${bytes.length} bytes)` : ''}`
}

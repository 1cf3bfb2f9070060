/** Z85 (ZeroMQ RFC 32): four bytes as five characters that need no escape in JSON. */

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
const digits = new Map([...alphabet].map((character, digit) => [character, digit]))

/** The text of bytes, whose number must be a multiple of four. */
export function encodeZ85(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.readUInt32BE(at)
    for (let place = 85 ** 4; place >= 1; place /= 85) text += alphabet[Math.floor(word / place) % 85]
  }
  return text
}

/** The bytes of a text; null if it is none of the encoding. */
export function decodeZ85(text: string): Buffer | null {
  if (text.length % 5 !== 0) return null
  const bytes = Buffer.alloc((text.length / 5) * 4)
  for (let at = 0; at < text.length; at += 5) {
    let word = 0
    for (let i = at; i < at + 5; i++) {
      const digit = digits.get(text[i]!)
      if (digit === undefined) return null
      word = word * 85 + digit
    }
    if (word > 0xffff_ffff) return null
    bytes.writeUInt32BE(word, (at / 5) * 4)
  }
  return bytes
}

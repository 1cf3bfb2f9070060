/** Why bytes are no JSON document, where they show it: what they are instead, and what to do. Pure. */

/** What a document begins with that is none, in words with what to do; null where nothing is known of it. */
export function foreignFormat(bytes: Buffer, start: number, end: number): string | null {
  const has = (...wanted: readonly number[]) =>
    end - start >= wanted.length && wanted.every((byte, i) => bytes[start + i] === byte)
  if (has(0xef, 0xbb, 0xbf)) return 'it begins with a UTF-8 byte order mark (send it without one)'
  if (has(0xff, 0xfe, 0, 0) || has(0, 0, 0xfe, 0xff)) return 'it is UTF-32 (send UTF-8)'
  if (has(0xff, 0xfe)) return 'it is UTF-16 LE with a byte order mark (send UTF-8)'
  if (has(0xfe, 0xff)) return 'it is UTF-16 BE with a byte order mark (send UTF-8)'
  if (has(0x7b, 0) || has(0x5b, 0)) return 'it is UTF-16 LE (send UTF-8)'
  if (has(0, 0x7b) || has(0, 0x5b)) return 'it is UTF-16 BE (send UTF-8)'
  if (has(0x1f, 0x8b)) return 'it is compressed with gzip (let the producer compress batches, not values)'
  if (has(0x28, 0xb5, 0x2f, 0xfd)) return 'it is compressed with zstd (let the producer compress batches, not values)'
  if (has(0x4f, 0x62, 0x6a, 0x01)) return 'it is an Avro file (send a JSON document a record)'
  if (bytes[start] === 0 && end - start > 5) return confluent(bytes, start)
  return null
}

/** The wire format of Confluent's serializers: a zero, four bytes of a schema's id, the data. */
function confluent(bytes: Buffer, start: number): string {
  const prefix = `it begins with the prefix of a schema registry (Confluent wire format, schema id ${bytes.readUInt32BE(start + 1)})`
  return bytes[start + 5] === 0x7b
    ? `${prefix}, JSON follows (send it without the first 5 bytes: a plain JSON serializer)`
    : `${prefix}, Avro or Protobuf follows (send JSON: a plain JSON serializer)`
}

/** What the place where a document is refused shows: a comma too many, a word that is no number. */
export function slip(bytes: Buffer, start: number, at: number, end: number): string | null {
  const rest = bytes.toString('latin1', at, Math.min(end, at + 12))
  if (/^-?(nan|inf)/i.test(rest)) return 'NaN and infinities are no numbers of JSON (send null)'
  if (/^[}\]]/.test(rest) && lastBefore(bytes, start, at) === 0x2c)
    return 'a comma stands behind the last value (leave it out)'
  if (/^'/.test(rest)) return 'texts stand in double quotes'
  if (/^(true|false|none)/i.test(rest)) return 'the words of JSON are true, false and null'
  return null
}

/** Last byte of the document before `at` that is no white space; 0 where there is none. What lies before `start` is another document. */
function lastBefore(bytes: Buffer, start: number, at: number): number {
  let before = at - 1
  while (before >= start && bytes[before]! <= 0x20) before--
  return before < start ? 0 : bytes[before]!
}

/** The checksum of record batches. */
import { crc32c as crc32cOf, Reader } from '@platformatic/kafka'

/** CRC-32C of the bytes. Handed over in the client's own wrapping, since it copies anything else. */
export function crc32c(bytes: Buffer): number {
  return crc32cOf(Reader.from(bytes).buffer)
}

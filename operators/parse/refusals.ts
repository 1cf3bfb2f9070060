/** Documents that are no JSON, for `parseCritical` and `parse` alike: which code, and what to say. */
import { excerpt } from '../../engine/excerpt.ts'
import type { ScanFailure } from './kernel-memory.ts'
import { foreignFormat, slip } from './not-json.ts'

/** Why a document is none. */
export interface Refusal {
  readonly code: ScanFailure | 'INVALID_UTF8'
  /** Names the place as a byte of the document, and the cause where it shows. */
  readonly message: string
}

/** What the scan refused, for its latest document. */
export function refused(
  scan: { readonly failure: ScanFailure; readonly failedAt: number },
  bytes: Buffer,
  start: number,
  end: number,
): Refusal {
  const at = scan.failedAt - start
  const { failure: code } = scan
  switch (code) {
    case 'EMPTY':
      return { code, message: 'value is empty' }
    case 'TRUNCATED':
      return { code, message: `value ends in the middle of the document (byte ${at})` }
    case 'TOO_DEEP':
      return { code, message: `value is nested too deeply (byte ${at})` }
    case 'NOT_JSON': {
      const foreign = foreignFormat(bytes, start, end)
      const why = foreign ?? slip(bytes, start, scan.failedAt, end)
      const message = `value is not JSON: found ${excerpt(bytes, scan.failedAt, end)} (byte ${at})`
      return { code, message: why === null ? message : `${message}; ${why}` }
    }
  }
}

/** For bytes that are JSON but for their encoding. */
export function notUtf8(bytes: Buffer, start: number, end: number): Refusal {
  const foreign = foreignFormat(bytes, start, end)
  return { code: 'INVALID_UTF8', message: foreign === null ? 'value is not UTF-8' : `value is not UTF-8: ${foreign}` }
}

/** For a document with an escape at byte `at` that is half of a surrogate pair: no UTF-8 can hold that text. */
export function halfPair(bytes: Buffer, at: number, start: number): Refusal {
  const half = bytes.toString('latin1', at, at + 6)
  return { code: 'INVALID_UTF8', message: `value holds half of a surrogate pair: ${half} (byte ${at - start})` }
}

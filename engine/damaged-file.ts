/** A Parquet file that DuckDB cannot read, which it says in words only, with the statement that read it. */
import { MillraceError, messageOf } from './errors.ts'

const damage =
  /no magic bytes|too small to be a parquet file|failed to read file|out of buffer|TProtocolException|don't know what type|decode bit width|incorrect stats size|likely corrupted|varint-decoding|decompression failure|no files found that match/i

/**
 * `TABLE_CORRUPT` in place of an error that says that a file is damaged or gone, without the statement; any other error as it is.
 */
export function damagedFile(error: unknown): unknown {
  const message = messageOf(error)
  if (error instanceof MillraceError || !damage.test(message)) return error
  const [line = ''] = message.split('\n')
  const what = line.replace(/^(?:Invalid Input |Invalid |IO )?Error: /i, '')
  return new MillraceError(
    'TABLE_CORRUPT',
    `a data file cannot be read: ${what} (tables doctor TABLE --deep says which; restore it from a copy, or restore the table)`,
    { cause: error },
  )
}

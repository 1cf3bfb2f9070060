/** What `search` and `ask` are given on the command line. */
import { usageError } from './args.ts'
import type { CommandContext } from './context.ts'
import type { RetrievalRequest } from './retrieval.ts'
import { parseYears } from './years.ts'

/** `CONFIG_INVALID` for a text without a word; what options hold has been checked already. */
export function retrievalRequest(
  verb: string,
  { arguments: [text = ''], options }: Pick<CommandContext, 'arguments' | 'options'>,
): RetrievalRequest {
  if (!/[\p{L}\p{N}]/u.test(text)) throw usageError([`${verb}: the text has no letter and no digit to search for`])
  const years = typeof options.year === 'string' ? parseYears(options.year) : null
  return {
    text,
    ...(typeof options.top === 'number' ? { top: options.top } : {}),
    ...(typeof options.type === 'string' ? { type: options.type } : {}),
    ...(years === null ? {} : { years }),
    ...(typeof options.genre === 'string' ? { genre: options.genre } : {}),
  }
}

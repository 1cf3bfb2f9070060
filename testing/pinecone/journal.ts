/** What survives the emulator's death: every change, as a line, written before it is acknowledged. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Write } from './emulated-index.ts'
import type { IndexModel } from './index-model.ts'

/** One line. */
export type Entry =
  | { readonly put: IndexModel }
  | { readonly drop: string }
  | { readonly index: string; readonly write: Write }

/** Where entries are kept. */
export interface Journal {
  /** What was kept before, in order; a line that was cut by a death is removed. */
  readonly before: readonly Entry[]
  append(entry: Entry): void
}

/** A journal in a folder, which is made; without one nothing is kept. */
export function openJournal(dir: string | undefined): Journal {
  if (dir === undefined) return { before: [], append: () => {} }
  mkdirSync(dir, { recursive: true })
  const path = join(dir, 'journal.ndjson')
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole))
  return {
    before: whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Entry),
    append: (entry) => appendFileSync(path, `${JSON.stringify(entry)}\n`),
  }
}

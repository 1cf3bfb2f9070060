/** Where everything of one kind goes that a step or a store rejects. */
import { delta } from '../../connectors/index.ts'
import type { SinkDescription } from '../../engine/index.ts'
import type { Kind } from './kinds.ts'

/** One table a kind, for all layers: its rows say which pipeline and which step rejected them. */
export function deadLetters(kind: Kind): SinkDescription {
  return delta({ table: `dead_letters/${kind}`, mode: 'append' })
}

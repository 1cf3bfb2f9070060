/** `trackChanges`: fingerprints that tell which part of a row has changed. */
import type { Step } from '../engine/contracts.ts'
import { listOf } from '../engine/shape.ts'
import {
  coalesce,
  distinctList,
  hashText,
  joinList,
  list,
  mapList,
  type Operand,
  sortedList,
} from './expressions/functions.ts'
import { aFunction, anything, insist } from './expressions/insist.ts'
import type { Expression } from './expressions/tree.ts'
import type { StepInput } from './relational/step.ts'
import { derive } from './select.ts'

/** Adds a column for every fingerprint. */
export function trackChanges(
  id: string,
  fingerprints: { readonly [column: string]: Expression },
  input?: StepInput,
): Step {
  return { ...derive(id, fingerprints, input), kind: 'track-changes' }
}

/**
 * Fingerprint of a list as the set of its elements' identities: neither order nor repetition changes it, any other
 * identity does. `identity` gives the parts of one element that count (what `hashText` takes). A null list counts as
 * empty. Never null.
 */
export function setFingerprint(of: Expression, identity: (element: Expression) => readonly Operand[]): Expression {
  insist(identity, aFunction, 'setFingerprint')
  const hashes = mapList(of, (element) => {
    const parts = identity(element)
    insist(parts, listOf(anything), 'setFingerprint: what identifies an element')
    return hashText(...parts)
  })
  return hashText(joinList(sortedList(distinctList(coalesce(hashes, list([])))), ','))
}

/** Fingerprint of exactly these values, in this order; null differs from the empty text. Never null. */
export function textFingerprint(...values: readonly Operand[]): Expression {
  return hashText(...values)
}

/** What a filter on metadata is in Pinecone's words: https://docs.pinecone.io/guides/search/filter-by-metadata. Pure. */
import type { MetadataFilter } from '../vectors/store.ts'
import { fold, foldedName } from './records.ts'

/** Undefined where nothing is asked for. */
export function filterOf(where: MetadataFilter): object | undefined {
  const conditions = Object.entries(where).map(([column, wanted]) =>
    typeof wanted === 'object' ? within(column, wanted) : equal(column, wanted),
  )
  return conditions.length > 1 ? { $and: conditions } : conditions[0]
}

/** Texts and elements of lists are compared by what was folded beside them; a number may have been given as text, and the reverse. */
function equal(column: string, wanted: string | number): object {
  const folded = { [foldedName(column)]: { $eq: fold(String(wanted)) } }
  const asNumber = Number(wanted)
  if (typeof wanted === 'string' && String(asNumber) !== wanted) {
    const truth = /^(true|false)$/i.test(wanted)
    return truth ? { $or: [folded, { [column]: { $eq: wanted.toLowerCase() === 'true' } }] } : folded
  }
  return Number.isFinite(asNumber) ? { $or: [folded, { [column]: { $eq: asNumber } }] } : folded
}

/** Without bounds: that it is a number at all. */
function within(column: string, { from, to }: { readonly from?: number; readonly to?: number }): object {
  if (from === undefined && to === undefined) return { $or: [{ [column]: { $gte: 0 } }, { [column]: { $lt: 0 } }] }
  return { [column]: { ...(from === undefined ? {} : { $gte: from }), ...(to === undefined ? {} : { $lte: to }) } }
}

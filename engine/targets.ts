/** What sources and sinks read and write, by the words of their descriptions (`SourceDescription.reads`). Pure. */

/** Whether a source that `reads` reads what a sink writes: by its name, in a list or by an expression. */
export function readsTarget(reads: string, writes: string): boolean {
  const expression = expressionOf(reads)
  if (expression === null) return namesIn(reads).includes(writes)
  return writes.startsWith('topic:') && expression.test(writes.slice('topic:'.length))
}

/** What two sources both read; null where their words show nothing: two expressions may still meet in a topic. */
export function sharedTarget(left: string, right: string): string | null {
  if (left === right) return left
  if (expressionOf(left) !== null) {
    return expressionOf(right) === null ? sharedTarget(right, left) : null
  }
  return namesIn(left).find((name) => readsTarget(right, name)) ?? null
}

/** `topics:/<expression>/`, of topics' whole names. */
function expressionOf(reads: string): RegExp | null {
  const found = /^topics:\/(.*)\/$/s.exec(reads)
  return found === null ? null : new RegExp(`^(?:${found[1]})$`)
}

/** `topics:a,b` are `topic:a` and `topic:b`; anything else is one. */
function namesIn(reads: string): readonly string[] {
  if (!reads.startsWith('topics:')) return [reads]
  return reads
    .slice('topics:'.length)
    .split(',')
    .map((name) => `topic:${name}`)
}

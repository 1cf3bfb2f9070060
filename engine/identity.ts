/**
 * Source partitions that say what a source is: their position never moves, and is committed with every batch. So the
 * commit rule refuses a batch of another source that stands under the same name.
 */
import type { Position } from './contracts.ts'

const suffix = '/id'

/** Name of the source partition that holds the identity of `what`: `tmdb.movies/id`. */
export function identityPartition(what: string): string {
  return `${what}${suffix}`
}

/** What an identity partition is of; null for a partition that is read. */
export function identified(sourcePartition: string): string | null {
  return sourcePartition.endsWith(suffix) ? sourcePartition.slice(0, -suffix.length) : null
}

/** What sources are not what they were when `held` was committed. */
export function replacedSources(held: Position, identity: Position): string[] {
  return [...identity].flatMap(([partition, now]) => {
    const then = held.get(partition)
    return then === undefined || then === now ? [] : [identified(partition) ?? partition]
  })
}

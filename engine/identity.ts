/**
 * Source partitions that are not read, and whose position never moves. Those that say what a source is are committed with
 * every batch: so the commit rule refuses a batch of another source that stands under the same name. Those that say where
 * reading began are committed with a partition's first batch: so a sink that does not get it, since the process dies
 * before its turn, begins there too when it is tried again.
 */
import type { Position } from './contracts.ts'

const suffix = '/id'
const startSuffix = '/start'

/** Name of the source partition that holds the identity of `what`: `tmdb.movies/id`. */
export function identityPartition(what: string): string {
  return `${what}${suffix}`
}

/** Name of the source partition that holds where a partition began: `tmdb.movies/0/start`. */
export function startPartition(sourcePartition: string): string {
  return `${sourcePartition}${startSuffix}`
}

/** The partition whose beginning is held; null for any other. */
export function startedPartition(sourcePartition: string): string | null {
  return sourcePartition.endsWith(startSuffix) ? sourcePartition.slice(0, -startSuffix.length) : null
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

/** The objects of the store that a file of the log is made of. */
import type { ObjectStore } from '../../engine/contracts.ts'
import type { DeletionVector } from './actions.ts'
import { dataLocation } from './data-location.ts'
import { deletionVectorPath } from './deletion-vectors/deletion-vector.ts'

/** A file as any action of the log names it. */
export interface NamedFile {
  readonly path: string
  readonly deletionVector?: DeletionVector
}

/** Paths of a file and of its deletion vector, where that lies in a file of its own, as the log spells them. */
export function pathsOf({ path, deletionVector }: NamedFile): readonly string[] {
  const vector = deletionVector === undefined ? null : deletionVectorPath(deletionVector)
  return vector === null ? [path] : [path, vector]
}

/** Keys of the same; files outside of the lake have none. */
export function keysOf(store: ObjectStore, tablePath: string, file: NamedFile): string[] {
  return pathsOf(file).flatMap((path) => {
    const location = dataLocation(store, tablePath, path)
    return 'key' in location ? [location.key] : []
  })
}

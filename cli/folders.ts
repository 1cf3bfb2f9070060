/** What lies where in a data directory. */
import { join, resolve } from 'node:path'

/** The parts of a data directory. */
export interface Folders {
  /** Holds the lake, unless another is configured. */
  readonly lakeDir: string
  readonly logDir: string
  readonly storesDir: string
  /** Holds copies of files of a lake that is not on this machine; it may be deleted. */
  readonly cacheDir: string
  /** Holds vectors of texts that were embedded before; it may be deleted while nobody runs. */
  readonly embeddingsDir: string
  /** Holds a scratch folder per process that works on it; what is abandoned there may be deleted. */
  readonly scratchRoot: string
}

/** Absolute paths of the folders of a data directory; none of them need exist. */
export function foldersOf(dataDir: string): Folders {
  const root = resolve(dataDir)
  return {
    lakeDir: join(root, 'lake'),
    logDir: join(root, 'log'),
    storesDir: join(root, 'stores'),
    cacheDir: join(root, 'cache'),
    embeddingsDir: join(root, 'cache', 'embeddings'),
    scratchRoot: join(root, 'tmp'),
  }
}

/** The files of a log (PROTOCOL.md, "File Types"), whole sets of them or not. */
import type { ObjectStore } from '../../../engine/contracts.ts'

/** A file named by one version. */
export interface LogFile {
  readonly key: string
  readonly version: bigint
}

/** The files of one checkpoint, its sidecars left out. */
export interface CheckpointFiles {
  readonly version: bigint
  readonly kind: 'classic' | 'parts' | 'v2'
  readonly keys: readonly string[]
  /** How many files it should have. */
  readonly total: number
  /** When the last of them was written. */
  readonly modifiedMs: number
  readonly sizeBytes: number
}

/** A compacted file: of the versions `from` to `to`, both included. */
export interface CompactedFile {
  readonly key: string
  readonly from: bigint
  readonly to: bigint
}

/** Everything in a log that has a name which the protocol gives. */
export interface LogFolder {
  /** Versions that have an entry, ascending. */
  readonly entries: readonly bigint[]
  /** Ascending by version. */
  readonly checkpoints: readonly CheckpointFiles[]
  readonly checksums: readonly LogFile[]
  readonly compacted: readonly CompactedFile[]
  /** Sizes of the files in `_sidecars`, by name. */
  readonly sidecars: ReadonlyMap<string, number>
}

/** Files of other names, hidden ones and those in folders are passed over, as readers do. */
export async function listFolder(store: ObjectStore, table: string): Promise<LogFolder> {
  const prefix = `${table}/_delta_log/`
  const entries: bigint[] = []
  const checksums: LogFile[] = []
  const compacted: CompactedFile[] = []
  const sidecars = new Map<string, number>()
  const checkpoints = new Map<string, CheckpointFiles>()
  for await (const info of store.list(prefix)) {
    const { key } = info
    const name = key.slice(prefix.length)
    if (name.startsWith('_sidecars/')) sidecars.set(name.slice('_sidecars/'.length), info.sizeBytes)
    const match = /^(\d{20})\.([^/]+)$/.exec(name)
    if (match === null) continue
    const [version, rest] = [BigInt(match[1]!), match[2]!]
    const range = /^(\d{20})\.compacted\.json$/.exec(rest)
    if (rest === 'json') entries.push(version)
    else if (rest === 'crc') checksums.push({ key, version })
    else if (range !== null) compacted.push({ key, from: version, to: BigInt(range[1]!) })
    else addCheckpoint(checkpoints, { ...info, version, rest })
  }
  const ascending = [...checkpoints.values()].sort((a, b) =>
    a.version < b.version ? -1 : a.version > b.version ? 1 : 0,
  )
  return { entries, checkpoints: ascending, checksums, compacted, sidecars }
}

interface Found {
  readonly key: string
  readonly version: bigint
  /** Behind the version. */
  readonly rest: string
  readonly modifiedMs: number
  readonly sizeBytes: number
}

function addCheckpoint(checkpoints: Map<string, CheckpointFiles>, { key, version, rest, ...info }: Found): void {
  const part = /^checkpoint\.\d{10}\.(\d{10})\.parquet$/.exec(rest)
  const kind = part !== null ? 'parts' : rest === 'checkpoint.parquet' ? 'classic' : 'v2'
  if (kind === 'v2' && !/^checkpoint\.[^.]+\.(json|parquet)$/.test(rest)) return
  const id = part === null ? key : `${version} in ${part[1]}`
  const known = checkpoints.get(id)
  checkpoints.set(id, {
    version,
    kind,
    keys: [...(known?.keys ?? []), key],
    total: part === null ? 1 : Number(part[1]),
    modifiedMs: Math.max(known?.modifiedMs ?? 0, info.modifiedMs),
    sizeBytes: (known?.sizeBytes ?? 0) + info.sizeBytes,
  })
}

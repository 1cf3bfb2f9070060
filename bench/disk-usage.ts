/** What a data directory takes of the disk, beside what of its tables is live. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import { listTables } from '../connectors/delta/list-tables.ts'
import { localStore } from '../connectors/storage/local.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { Duckdb } from '../engine/duckdb.ts'

export interface DiskUsage {
  /** Versions of all silver tables. */
  readonly versions: number
  /** Bytes of the files that the newest versions name, by the first folder of the table: `bronze`, `silver`, `gold`. */
  readonly live: Readonly<Record<string, number>>
  /** Bytes on the disk: of tables by that folder, their logs and change feeds apart, and of the other folders and stores. */
  readonly disk: Readonly<Record<string, number>>
  /** Bytes of the silver tables on the disk, logs and change feeds with them, per live byte. */
  readonly silverRatio: number
}

/** Looks at each file once. Those that are deleted meanwhile do not count. */
export async function diskUsage(dataDir: string, duckdb: Duckdb): Promise<DiskUsage> {
  const store = localStore(join(dataDir, 'lake'))
  const live: Record<string, number> = {}
  const disk: Record<string, number> = {}
  const add = (to: Record<string, number>, name: string, bytes: number): void => {
    to[name] = (to[name] ?? 0) + bytes
  }
  let versions = 0n
  for (const path of await listTables(store)) {
    const parts = { store, duckdb: async () => duckdb, clock: systemClock, ids: systemIds, stagingDir: dataDir }
    const snapshot = await openDeltaTable({ ...parts, path }).snapshot()
    const [group = path] = path.split('/')
    for (const file of (await snapshot?.files())?.values() ?? []) add(live, group, Number(file.size))
    if (group === 'silver') versions += snapshot?.version ?? 0n
    add(disk, group, await bytesBelow(join(dataDir, 'lake', path), /^(?!_)/))
    for (const name of ['_delta_log', '_change_data'])
      add(disk, `${group}${name}`, await bytesBelow(join(dataDir, 'lake', path, name)))
  }
  for (const folder of ['log', 'stores', 'cache', 'tmp']) disk[folder] = await bytesBelow(join(dataDir, folder))
  for (const file of await readdir(join(dataDir, 'stores')).catch(() => []))
    disk[`stores/${file}`] = await bytesBelow(join(dataDir, 'stores', file))
  const silver = (disk.silver ?? 0) + (disk.silver_delta_log ?? 0) + (disk.silver_change_data ?? 0)
  return { versions: Number(versions), live, disk, silverRatio: silver / Math.max(1, live.silver ?? 0) }
}

/** In millions, for a line of JSON. */
export function inMb(bytes: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, Math.round(value / 1e4) / 100]))
}

/** Bytes that a file, or what lies in a folder, takes of the disk; names at the top may be left out. */
async function bytesBelow(path: string, top = /^/): Promise<number> {
  const info = await stat(path).catch(() => null)
  if (info === null) return 0
  if (!info.isDirectory()) return info.blocks * 512
  let bytes = 0
  for (const name of await readdir(path).catch(() => []))
    if (top.test(name)) bytes += await bytesBelow(join(path, name))
  return bytes
}

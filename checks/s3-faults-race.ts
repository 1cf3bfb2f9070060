/** Writers that race for the entries of one log while its service is killed and paused, and what they were told. */

import { openFileCache } from '../connectors/storage/cache/file-cache.ts'
import { defaultS3Retries } from '../connectors/storage/s3/requests.ts'
import { type S3Store, s3Store } from '../connectors/storage/s3.ts'
import { systemClock, systemIds } from '../engine/clock.ts'

/** Where the log is. */
export interface RaceOptions {
  readonly env: Readonly<Record<string, string>>
  readonly prefix: string
  readonly cacheDir: string
  readonly writers: number
  readonly requestTimeoutMs: number
}

/** What came of a race. */
export interface RaceReport {
  readonly keys: number
  /** Calls that threw: their outcome is unknown. */
  readonly unknown: number
  /** Keys that two writers were told to have created. */
  readonly doubled: number
  /** Keys that somebody was told to have created, and that are not there or hold other bytes. */
  readonly lost: number
  /** Keys that all were told to be another's, though the one whose bytes they hold was never unsure of it. */
  readonly disowned: number
  readonly longestCallMs: number
}

interface Told {
  readonly won: Map<string, number[]>
  readonly unsure: Map<string, number[]>
  unknown: number
  longestCallMs: number
}

const keyOf = (version: number): string => `t/_delta_log/${String(version).padStart(20, '0')}.json`
const bodyOf = (key: string, writer: number): Buffer => Buffer.from(`${key} by ${writer}\n`.padEnd(500, '.'))

/** Starts the writers; the returned function stops them and settles what they were told. */
export function startRace(options: RaceOptions): () => Promise<RaceReport> {
  const stores = Array.from({ length: options.writers }, () => openStore(options))
  const told: Told = { won: new Map(), unsure: new Map(), unknown: 0, longestCallMs: 0 }
  let stopped = false
  const ends = stores.map(async (store, writer) => {
    let version = 0
    for (; !stopped; version += 1) await write(store, keyOf(version), writer, told)
    return version
  })
  return async () => {
    stopped = true
    const keys = Math.max(...(await Promise.all(ends)))
    const report = await settle(stores[0]!, keys, told)
    for (const store of stores) store.close()
    return report
  }
}

function openStore({ env, prefix, cacheDir, requestTimeoutMs }: RaceOptions): S3Store {
  const {
    AWS_ENDPOINT_URL_S3,
    AWS_ACCESS_KEY_ID = '',
    AWS_SECRET_ACCESS_KEY = '',
    AWS_REGION = '',
    S3_BUCKET = '',
  } = env
  return s3Store({
    settings: { bucket: S3_BUCKET, prefix, endpoint: AWS_ENDPOINT_URL_S3 ?? null, pathStyle: true, ca: null },
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
    region: AWS_REGION,
    clock: systemClock,
    ids: systemIds,
    requestTimeoutMs,
    retries: { ...defaultS3Retries, attempts: 3 },
    cache: openFileCache({ dir: cacheDir, limitBytes: 0, clock: systemClock, ids: systemIds }),
  })
}

async function write(store: S3Store, key: string, writer: number, told: Told): Promise<void> {
  const startedMs = performance.now()
  try {
    if (await store.putIfAbsent(key, bodyOf(key, writer))) note(told.won, key, writer)
  } catch {
    told.unknown += 1
    note(told.unsure, key, writer)
  }
  told.longestCallMs = Math.max(told.longestCallMs, performance.now() - startedMs)
}

function note(map: Map<string, number[]>, key: string, writer: number): void {
  map.set(key, [...(map.get(key) ?? []), writer])
}

async function settle(store: S3Store, keys: number, told: Told): Promise<RaceReport> {
  const count = { doubled: 0, lost: 0, disowned: 0 }
  for (let version = 0; version < keys; version += 1) {
    const key = keyOf(version)
    const winners = told.won.get(key) ?? []
    const found = await store.get(key)
    if (winners.length > 1) count.doubled += 1
    if (winners.length > 0 && (found === null || !winners.some((writer) => bodyOf(key, writer).equals(found))))
      count.lost += 1
    if (winners.length > 0 || found === null) continue
    const owner = Number(/ by (\d+)/.exec(Buffer.from(found).toString())?.[1])
    if (!(told.unsure.get(key) ?? []).includes(owner)) count.disowned += 1
  }
  return { keys, unknown: told.unknown, ...count, longestCallMs: Math.round(told.longestCallMs) }
}

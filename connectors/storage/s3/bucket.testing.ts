/** For tests with a real bucket: stores under prefixes of their own, and ways to look past the store. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeleteObjectsCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { systemClock, systemIds } from '../../../engine/clock.ts'
import { openFileCache } from '../cache/file-cache.ts'
import { type S3Store, type S3StoreOptions, s3Store } from '../s3.ts'
import type { S3Settings } from './settings.ts'

/** The service and its bucket; the endpoint is empty where tests have none. */
export const service = {
  endpoint: process.env.MILLRACE_TEST_S3_ENDPOINT ?? '',
  region: process.env.MILLRACE_TEST_S3_REGION ?? '',
  bucket: process.env.MILLRACE_TEST_S3_BUCKET ?? '',
  accessKey: process.env.MILLRACE_TEST_S3_ACCESS_KEY ?? '',
  secretKey: process.env.MILLRACE_TEST_S3_SECRET_KEY ?? '',
}

const credentials = { accessKeyId: service.accessKey, secretAccessKey: service.secretKey }

/** Stores, each in a new folder of the bucket unless told otherwise. */
export interface TestBucket {
  /** A folder on disk, for caches and staged files. */
  readonly dir: string
  settings(more?: Partial<S3Settings>): S3Settings
  /** A store with a cache of its own. */
  open(settings?: Partial<S3Settings>, more?: Partial<S3StoreOptions>): S3Store
  /** Keys of uploads that were begun and neither completed nor aborted, under a prefix. */
  unfinishedUploads(prefix: string): Promise<string[]>
  /** Removes all that was put, and the folder. */
  close(): Promise<void>
}

/** Opens the bucket for tests of one file. */
export function openTestBucket(): TestBucket {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-s3-'))
  const client = new S3Client({
    endpoint: service.endpoint,
    region: service.region,
    forcePathStyle: true,
    credentials,
  })
  const root = `test-${systemIds.uuid()}`
  const stores: S3Store[] = []
  let folders = 0
  const settings = (more: Partial<S3Settings> = {}): S3Settings => ({
    bucket: service.bucket,
    prefix: `${root}/${folders++}`,
    endpoint: service.endpoint,
    pathStyle: true,
    ca: null,
    ...more,
  })
  return {
    dir,
    settings,
    open(parts = {}, more = {}) {
      const cacheDir = join(dir, `cache-${systemIds.uuid()}`)
      const store = s3Store({
        settings: settings(parts),
        clock: systemClock,
        ids: systemIds,
        region: service.region,
        credentials,
        cache: openFileCache({ dir: cacheDir, limitBytes: 2 ** 30, clock: systemClock, ids: systemIds }),
        ...more,
      })
      stores.push(store)
      return store
    },
    async unfinishedUploads(prefix) {
      // MinIO lists the uploads of whole keys only
      const { Uploads = [] } = await client.send(
        new ListMultipartUploadsCommand({ Bucket: service.bucket, Prefix: prefix }),
      )
      return Uploads.map(({ Key = '' }) => Key)
    },
    async close() {
      for (const store of stores) store.close()
      await removeUnder(client, `${root}/`)
      client.destroy()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function removeUnder(client: S3Client, prefix: string): Promise<void> {
  for (;;) {
    const page = await client.send(new ListObjectsV2Command({ Bucket: service.bucket, Prefix: prefix }))
    const objects = (page.Contents ?? []).map(({ Key = '' }) => ({ Key }))
    if (objects.length === 0) return
    await client.send(new DeleteObjectsCommand({ Bucket: service.bucket, Delete: { Objects: objects } }))
  }
}

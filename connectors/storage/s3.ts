/** A bucket, or a folder of one, as an object store. */
import { rm } from 'node:fs/promises'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { FileCache } from './cache/file-cache.ts'
import { assertKey } from './key.ts'
import { putNew } from './s3/conditional.ts'
import { downloadObject, getObject, headObject } from './s3/download.ts'
import { ObjectChanged } from './s3/fault.ts'
import { listObjects } from './s3/listing.ts'
import { openRequests, type RequestOptions, type Requests } from './s3/requests.ts'
import { defaultUploadLimits, type UploadLimits, uploadFile } from './s3/upload.ts'
import { versionsOfUniqueKeys } from './s3/versions.ts'

/** What a store is opened with. */
export interface S3StoreOptions extends RequestOptions {
  /** Where {@link ObjectStore.localFile} keeps what it brought. */
  readonly cache: FileCache
  readonly upload?: UploadLimits
  /** Objects that a page of a listing holds; S3's own limit if not given. */
  readonly pageSize?: number
}

/** A store that can say whether its bucket will do. */
export interface S3Store extends ObjectStore {
  /**
   * Asks for what commits rest on: that the bucket is there, may be written, and that a put with a condition is refused
   * where there is an object. Leaves one small object, which listings do not show. `STORAGE_FAILED` if not.
   */
  assertUsable(): Promise<void>
  close(): void
}

const probe = '.millrace/conditional-put'

/**
 * Keeps the contract of {@link ObjectStore}; nothing is sent before the first call. Credentials and region are the
 * SDK's. `putIfAbsent` and `putFile` are one conditional put, retried without mistaking a success of our own, whose
 * answer got lost, for another writer's. `localFile` gives a copy that the cache keeps for as long as it promises.
 */
export function s3Store(options: S3StoreOptions): S3Store {
  const requests = openRequests(options)
  const { cache, upload = defaultUploadLimits, pageSize } = options
  const source = `${options.settings.endpoint ?? ''} ${requests.url}`
  const versions = versionsOfUniqueKeys()
  return {
    url: requests.url,
    async get(key) {
      assertKey(key)
      return getObject(requests, key)
    },
    list: (prefix, startAfter = '') =>
      listObjects(requests, { prefix, startAfter, ...(pageSize === undefined ? {} : { pageSize }) }),
    async putIfAbsent(key, body) {
      assertKey(key)
      return (await putNew(requests, key, body)) !== null
    },
    async put(key, body) {
      assertKey(key)
      await requests.run({ verb: 'write', key }, () =>
        requests.client.send(new PutObjectCommand({ ...requests.at(key), Body: body })),
      )
    },
    async putFile(key, localPath) {
      assertKey(key)
      const version = await uploadFile(requests, { key, path: localPath }, upload)
      if (version === null) throw exists(requests, key)
      versions.set(key, version)
      await cache.adopt({ source, key, ...version }, localPath)
      await rm(localPath, { force: true })
    },
    async localFile(key) {
      assertKey(key)
      for (let tries = 1; ; tries += 1) {
        const version = versions.get(key) ?? (await headObject(requests, key))
        if (version === null) throw missing(requests, key)
        versions.set(key, version)
        try {
          return await cache.file({ source, key, ...version }, (path) => downloadObject(requests, key, version, path))
        } catch (error) {
          versions.forget(key)
          if (!(error instanceof ObjectChanged)) throw error
          if (tries === 5) throw changing(requests, key)
        }
      }
    },
    async delete(key) {
      assertKey(key)
      versions.forget(key)
      await requests.run({ verb: 'delete', key }, () => requests.client.send(new DeleteObjectCommand(requests.at(key))))
    },
    async assertUsable() {
      const body = Buffer.from('millrace tests here that a put is refused where an object exists\n')
      if ((await putNew(requests, probe, body)) === null) return
      if ((await putNew(requests, probe, body)) !== null) throw unconditional(requests)
    },
    close: () => requests.client.destroy(),
  }
}

function exists({ url }: Requests, key: string): MillraceError {
  return new MillraceError('STORAGE_FAILED', `file exists already: ${url}/${key} (data files need new names)`)
}

function missing({ url }: Requests, key: string): MillraceError {
  return new MillraceError('TABLE_CORRUPT', `file is missing: ${url}/${key} (restore it, or restore the table)`)
}

function changing({ url }: Requests, key: string): MillraceError {
  const message = `${url}/${key} was replaced again and again while it was read (let only one process write it)`
  return new MillraceError('STORAGE_FAILED', message, { retryable: true })
}

function unconditional({ url }: Requests): MillraceError {
  const message = `${url}: the service overwrites an object in spite of If-None-Match (use one that keeps conditional writes)`
  return new MillraceError('STORAGE_FAILED', message)
}

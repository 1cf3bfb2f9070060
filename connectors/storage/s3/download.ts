/** Reading objects: whole into memory, or into a local file. */

import { createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { isSystemError } from '../../../engine/errors.ts'
import { storageError } from '../storage-error.ts'
import type { StoredVersion } from './conditional.ts'
import { isMissing, ObjectChanged, ShortAnswer, statusOf } from './fault.ts'
import type { Requests } from './requests.ts'

/** The whole object, or null if there is none. */
export function getObject(requests: Requests, key: string): Promise<Uint8Array | null> {
  return requests.run({ verb: 'read', key }, async () => {
    try {
      const { Body } = await requests.client.send(new GetObjectCommand(requests.at(key)))
      return Body === undefined ? new Uint8Array() : await Body.transformToByteArray()
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  })
}

/** Which version of the object there is now; null if none. */
export function headObject(requests: Requests, key: string): Promise<StoredVersion | null> {
  return requests.run({ verb: 'read', key }, async () => {
    try {
      const { ETag = '', ContentLength = 0 } = await requests.client.send(new HeadObjectCommand(requests.at(key)))
      return { etag: ETag, sizeBytes: ContentLength }
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  })
}

/** Writes exactly this version of an object to a file, flushed. `ObjectChanged` if it is not that version any more. */
export function downloadObject(requests: Requests, key: string, version: StoredVersion, path: string): Promise<void> {
  return requests.run({ verb: 'read', key }, async () => {
    try {
      const { Body } = await requests.client.send(new GetObjectCommand({ ...requests.at(key), IfMatch: version.etag }))
      await pipeline(Body as Readable, createWriteStream(path, { flush: true }))
    } catch (error) {
      if (isMissing(error) || statusOf(error) === 412) throw new ObjectChanged(key)
      if (isSystemError(error, 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'ENOENT', 'EIO'))
        throw storageError('write', path, error)
      throw error
    }
    const { size } = await stat(path)
    if (size !== version.sizeBytes) throw new ShortAnswer(`${size} of ${version.sizeBytes} bytes arrived`)
  })
}

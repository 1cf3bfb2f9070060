/** A local file put under a new key: in one request, or in parts where it is large. */
import { type FileHandle, open, readFile, stat } from 'node:fs/promises'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { createOnce, putNew, type StoredVersion, writeToken } from './conditional.ts'
import { ShortAnswer } from './fault.ts'
import type { Requests } from './requests.ts'

/** How a file is cut. Memory for one upload is at most `partBytes * partsAtOnce`, or `wholeUpToBytes`. */
export interface UploadLimits {
  readonly wholeUpToBytes: number
  /** At least 5 MiB, by S3's rule; grown where a file would need more than 10,000 parts. */
  readonly partBytes: number
  readonly partsAtOnce: number
}

/** Up to 16 MiB in one request, more in parts of 8 MiB, three at a time. */
export const defaultUploadLimits: UploadLimits = {
  wholeUpToBytes: 16 * 2 ** 20,
  partBytes: 8 * 2 ** 20,
  partsAtOnce: 3,
}

const maxParts = 10_000

/** Uploads a file; null if there is an object of that key. No parts are left when it fails. */
export async function uploadFile(
  requests: Requests,
  file: { readonly key: string; readonly path: string },
  limits: UploadLimits,
): Promise<StoredVersion | null> {
  const { size } = await stat(file.path)
  const etag =
    size <= limits.wholeUpToBytes
      ? await putNew(requests, file.key, await readFile(file.path))
      : await uploadParts(requests, file, size, limits)
  return etag === null ? null : { etag, sizeBytes: size }
}

interface Upload {
  readonly requests: Requests
  readonly key: string
  readonly uploadId: string
}

async function uploadParts(
  requests: Requests,
  { key, path }: { readonly key: string; readonly path: string },
  sizeBytes: number,
  limits: UploadLimits,
): Promise<string | null> {
  const token = requests.ids.uuid()
  const handle = await open(path, 'r')
  let tries = 0
  let etag: string | null = null
  try {
    const uploadId = await requests.run({ verb: 'write', key }, () => {
      tries += 1
      return begin(requests, key, token)
    })
    const upload = { requests, key, uploadId }
    const parts = await sendParts(upload, handle, sizeBytes, limits)
    etag = await createOnce(requests, key, token, () => complete(upload, parts))
  } finally {
    // one that was begun by a try whose answer got lost is known from nowhere else
    if (etag === null || tries > 1) await abandon(requests, key)
    await handle.close()
  }
  return etag
}

async function begin(requests: Requests, key: string, token: string): Promise<string> {
  const { UploadId } = await requests.client.send(
    new CreateMultipartUploadCommand({ ...requests.at(key), Metadata: { [writeToken]: token } }),
  )
  if (UploadId === undefined) throw new ShortAnswer('the upload was begun without an id')
  return UploadId
}

/** Sends every part and waits for all that were begun, also when one fails: an abort forgets only what has arrived. */
async function sendParts(
  upload: Upload,
  handle: FileHandle,
  sizeBytes: number,
  { partBytes, partsAtOnce }: UploadLimits,
): Promise<CompletedPart[]> {
  const eachBytes = Math.max(partBytes, Math.ceil(sizeBytes / maxParts))
  const count = Math.ceil(sizeBytes / eachBytes)
  const parts: CompletedPart[] = []
  let next = 0
  let failed = false
  const sender = async (): Promise<void> => {
    for (let i = next++; i < count && !failed; i = next++) {
      try {
        const body = await readPart(handle, i * eachBytes, Math.min(eachBytes, sizeBytes - i * eachBytes))
        parts[i] = await sendPart(upload, i + 1, body)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(partsAtOnce, count) }, sender))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return parts
}

async function readPart(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const body = Buffer.alloc(length)
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await handle.read(body, filled, length - filled, position + filled)
    if (bytesRead === 0) throw new Error(`the file became shorter while it was uploaded (at byte ${position + filled})`)
    filled += bytesRead
  }
  return body
}

async function sendPart({ requests, key, uploadId }: Upload, number: number, body: Uint8Array): Promise<CompletedPart> {
  const part = { UploadId: uploadId, PartNumber: number }
  const { ETag, ChecksumCRC32 } = await requests.run({ verb: 'write', key }, () =>
    requests.client.send(new UploadPartCommand({ ...requests.at(key), ...part, Body: body })),
  )
  return {
    PartNumber: number,
    ...(ETag === undefined ? {} : { ETag }),
    ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
  }
}

async function complete({ requests, key, uploadId }: Upload, parts: CompletedPart[]): Promise<string> {
  const { ETag } = await requests.client.send(
    new CompleteMultipartUploadCommand({
      ...requests.at(key),
      UploadId: uploadId,
      MultipartUpload: { Parts: parts },
      IfNoneMatch: '*',
    }),
  )
  return ETag ?? ''
}

/** Forgets the parts of every upload under the key, which is ours alone. */
async function abandon(requests: Requests, key: string): Promise<void> {
  const { Bucket, Key } = requests.at(key)
  try {
    const { Uploads = [] } = await requests.run({ verb: 'list', key }, () =>
      requests.client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key })),
    )
    for (const upload of Uploads)
      if (upload.Key === Key && upload.UploadId !== undefined) await abort({ requests, key, uploadId: upload.UploadId })
  } catch {
    // Best effort: what made the upload fail matters more; a lifecycle rule removes what stays.
  }
}

async function abort({ requests, key, uploadId }: Upload): Promise<void> {
  await requests.run({ verb: 'delete', key }, () =>
    requests.client.send(new AbortMultipartUploadCommand({ ...requests.at(key), UploadId: uploadId })),
  )
}

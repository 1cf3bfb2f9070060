/**
 * Creating an object only if there is none. A try whose answer got lost may have succeeded, and then the next one is told
 * that the object exists: each write leaves a token with its object, so that its own work is recognised.
 */
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { faultOf, isMissing, statusOf } from './fault.ts'
import type { Requests } from './requests.ts'

/** Which version of a key an object is. */
export interface StoredVersion {
  readonly etag: string
  readonly sizeBytes: number
}

/** Name of the object metadata that says which write made it. */
export const writeToken = 'millrace-write'

/** The request that creates the object, with the token that is to be left with it; its answer's ETag. */
export type Create = (token: string) => Promise<string>

/** The new object's ETag, or null if another write made one before. */
export async function createOnce(
  requests: Requests,
  key: string,
  token: string,
  create: Create,
): Promise<string | null> {
  let lost = false
  return requests.run({ verb: 'write', key }, async () => {
    try {
      return await create(token)
    } catch (error) {
      if (lost && isSettled(error)) return ownEtag(requests, key, token, error)
      if (statusOf(error) === 412) return null
      lost ||= faultOf(error).ambiguous
      throw error
    }
  })
}

/** Puts a whole body under a new key. The body is sent as soon as the request begins: servers lock the key meanwhile. */
export function putNew(requests: Requests, key: string, body: Uint8Array): Promise<string | null> {
  return createOnce(requests, key, requests.ids.uuid(), async (token) => {
    const { ETag } = await requests.client.send(
      new PutObjectCommand({ ...requests.at(key), Body: body, IfNoneMatch: '*', Metadata: { [writeToken]: token } }),
    )
    return ETag ?? ''
  })
}

/** An object is there, or an upload is not any more: that may be our own work. */
function isSettled(error: unknown): boolean {
  return statusOf(error) === 412 || (error instanceof Error && error.name === 'NoSuchUpload')
}

async function ownEtag(requests: Requests, key: string, token: string, refusal: unknown): Promise<string | null> {
  try {
    const { ETag, Metadata } = await requests.client.send(new HeadObjectCommand(requests.at(key)))
    if (Metadata?.[writeToken] === token) return ETag ?? ''
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  if (statusOf(refusal) === 412) return null
  throw refusal
}

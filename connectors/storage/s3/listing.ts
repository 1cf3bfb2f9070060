/** Listing of a bucket, page by page. */
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { ObjectInfo } from '../../../engine/contracts.ts'
import { compareKeys, isKey } from '../key.ts'
import type { Requests } from './requests.ts'

/** What {@link listObjects} is asked for. */
export interface ListOptions {
  readonly prefix: string
  readonly startAfter: string
  /** Objects a page; S3's own limit if not given. */
  readonly pageSize?: number
}

/** Objects under a prefix after a key, in S3's order, which is that of UTF-8 bytes. What is no key of ours is left out. */
export async function* listObjects(requests: Requests, options: ListOptions): AsyncGenerator<ObjectInfo> {
  const { prefix, startAfter, pageSize } = options
  const { Bucket, Key: root } = requests.at('')
  const inside = startAfter.startsWith(prefix)
  if (!inside && compareKeys(startAfter, prefix) > 0) return
  let next: string | undefined
  do {
    const page = await requests.run({ verb: 'list', key: prefix }, () =>
      requests.client.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: root + prefix,
          // MinIO gives nothing at all after a key that lies before the prefix
          ...(inside && startAfter !== '' ? { StartAfter: root + startAfter } : {}),
          ...(pageSize === undefined ? {} : { MaxKeys: pageSize }),
          ...(next === undefined ? {} : { ContinuationToken: next }),
        }),
      ),
    )
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
      const key = Key.slice(root.length)
      if (isKey(key)) yield { key, sizeBytes: Size, modifiedMs: LastModified?.getTime() ?? 0 }
    }
    next = page.NextContinuationToken
  } while (next !== undefined && next !== '')
}

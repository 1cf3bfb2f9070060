/** Listing of a bucket, page by page. */
import { ListObjectsV2Command, type ListObjectsV2Request } from '@aws-sdk/client-s3'
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
export function listObjects(requests: Requests, options: ListOptions): AsyncGenerator<ObjectInfo> {
  return listAfter({ ...options, requests }, options.prefix)
}

interface Listing extends ListOptions {
  readonly requests: Requests
}

/**
 * Down to the folder of `startAfter`, one folder after the other, and the rest flat. MinIO ends a listing early that is
 * to start after `a/x`, if a folder `a-b`, which comes before `a/`, holds more than a page.
 */
async function* listAfter(listing: Listing, prefix: string): AsyncGenerator<ObjectInfo> {
  const { startAfter } = listing
  if (!startAfter.startsWith(prefix)) {
    if (compareKeys(startAfter, prefix) < 0) yield* flat(listing, { Prefix: prefix })
    return
  }
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  if (startAfter.slice(folder.length).includes('/')) yield* byFolder(listing, prefix)
  else yield* flat(listing, { Prefix: prefix, ...(startAfter === '' ? {} : { StartAfter: startAfter }) })
}

/** All objects of a listing. */
async function* flat(listing: Listing, what: Asked): AsyncGenerator<ObjectInfo> {
  for await (const { objects } of pages(listing, what)) yield* objects
}

async function* byFolder(listing: Listing, prefix: string): AsyncGenerator<ObjectInfo> {
  for await (const { objects, folders } of pages(listing, { Prefix: prefix, Delimiter: '/' })) {
    const entries = [...objects, ...folders.map((key) => ({ key }))].sort((a, b) => compareKeys(a.key, b.key))
    for (const entry of entries) {
      if (!('sizeBytes' in entry)) yield* listAfter(listing, entry.key)
      else if (compareKeys(entry.key, listing.startAfter) > 0) yield entry
    }
  }
}

/** What a request for a listing says, in keys of the lake. */
type Asked = Pick<ListObjectsV2Request, 'Prefix' | 'Delimiter' | 'StartAfter'> & { readonly Prefix: string }

interface Page {
  readonly objects: readonly ObjectInfo[]
  /** Ending in a slash. */
  readonly folders: readonly string[]
}

async function* pages({ requests, pageSize }: Listing, what: Asked): AsyncGenerator<Page> {
  const { Bucket, Key: root } = requests.at('')
  let next: string | undefined
  do {
    const page = await requests.run({ verb: 'list', key: what.Prefix }, () =>
      requests.client.send(
        new ListObjectsV2Command({
          ...what,
          Bucket,
          Prefix: root + what.Prefix,
          ...(what.StartAfter === undefined ? {} : { StartAfter: root + what.StartAfter }),
          ...(pageSize === undefined ? {} : { MaxKeys: pageSize }),
          ...(next === undefined ? {} : { ContinuationToken: next }),
        }),
      ),
    )
    const objects = (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
      key: Key.slice(root.length),
      sizeBytes: Size,
      modifiedMs: LastModified?.getTime() ?? 0,
    }))
    const folders = (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix.slice(root.length))
    yield {
      objects: objects.filter(({ key }) => isKey(key)),
      folders: folders.filter((folder) => isKey(folder.slice(0, -1))),
    }
    next = page.NextContinuationToken
  } while (next !== undefined && next !== '')
}

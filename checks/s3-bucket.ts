/** The bucket that a check works in, past the store. */
import { DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'

/** Removes every object under a prefix of a bucket, with the environment's endpoint and credentials. */
export async function removeObjects(bucket: string, prefix: string): Promise<number> {
  const client = new S3Client({ forcePathStyle: true })
  let removed = 0
  for (;;) {
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }))
    const objects = (page.Contents ?? []).map(({ Key = '' }) => ({ Key }))
    if (objects.length === 0) break
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects } }))
    removed += objects.length
  }
  client.destroy()
  return removed
}

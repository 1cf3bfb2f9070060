/** Where a lake on S3 is, and how it is reached. */

/** One lake. Plain data without secrets: credentials and region come from the SDK's own chain. */
export interface S3Settings {
  readonly bucket: string
  /** Folder of the lake in the bucket, without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string
  /** Address of the service; null: AWS, by region. */
  readonly endpoint: string | null
  /** The bucket's name in the path of each request instead of in the host's name. */
  readonly pathStyle: boolean
  /** Authority that signed the service's certificate, as PEM text; null: those that Node trusts. */
  readonly ca: string | null
}

/** `s3://bucket/prefix`, for messages. */
export function s3Url({ bucket, prefix }: Pick<S3Settings, 'bucket' | 'prefix'>): string {
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
}

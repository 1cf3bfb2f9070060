/** The settings that say where the lake is: a folder, or a bucket and how it is reached. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultCacheBytes } from '../connectors/storage/cache/limit.ts'
import type { S3Settings } from '../connectors/storage/s3/settings.ts'
import { type Problem, readPem, type Setting, whole } from './setting.ts'

/** Where the tables are. */
export type LakeSettings =
  | { readonly kind: 'folder'; readonly dir: string }
  | { readonly kind: 's3'; readonly s3: S3Settings; readonly cacheBytes: number }

type Location = { readonly kind: 'folder'; readonly dir: string } | Bucket
type Bucket = { readonly kind: 's3' } & Pick<S3Settings, 'bucket' | 'prefix'>

/** Names that the SDK has are used for what it knows, but for credentials and region, which it finds itself. */
export const lakeSettings = {
  lake: { key: 'lake', variable: 'MILLRACE_LAKE', fallback: null, read: readLocation },
  pathStyle: { key: 's3PathStyle', variable: 'MILLRACE_S3_PATH_STYLE', fallback: null, read: readBoolean },
  ca: { key: 's3Ca', variable: 'MILLRACE_S3_CA', fallback: null, read: readPem },
  cacheBytes: {
    key: 'cacheBytes',
    variable: 'MILLRACE_CACHE_BYTES',
    fallback: defaultCacheBytes,
    read: whole(0, Number.MAX_SAFE_INTEGER),
  },
  endpoint: { key: 's3Endpoint', variable: 'AWS_ENDPOINT_URL_S3', fallback: null, read: readEndpoint },
  anyEndpoint: { key: 'awsEndpoint', variable: 'AWS_ENDPOINT_URL', fallback: null, read: readEndpoint },
} satisfies { readonly [name: string]: Setting<unknown> }

/** Null where no lake is named: it is in the data directory. */
export function readLake(value: <T>(setting: Setting<T>) => T, problems: string[]): LakeSettings | null {
  const s = lakeSettings
  const before = problems.length
  const lake = value(s.lake as Setting<Location | null>)
  const pathStyle = value(s.pathStyle as Setting<boolean | null>)
  const ca = value(s.ca as Setting<string | null>)
  const cacheBytes = value(s.cacheBytes as Setting<number>)
  const isBucket = lake?.kind === 's3' || problems.length > before // of another service's endpoint nothing is asked
  const endpoint = isBucket
    ? (value(s.endpoint as Setting<string | null>) ?? value(s.anyEndpoint as Setting<string | null>))
    : null
  if (lake?.kind !== 's3') return lake
  const { bucket, prefix } = lake
  return { kind: 's3', s3: { bucket, prefix, endpoint, pathStyle: pathStyle ?? endpoint !== null, ca }, cacheBytes }
}

function readLocation(text: string): Location | null | Problem {
  if (text === '') return null
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'folder', dir: resolve(text) }
  if (scheme === 's3') return readBucket(text)
  if (scheme !== 'file') return { problem: 'must be s3://bucket/prefix, file:///folder or a path', secret: true }
  try {
    return { kind: 'folder', dir: fileURLToPath(text) }
  } catch {
    return { problem: 'must be file:/// and the path of a folder' }
  }
}

function readBucket(text: string): Bucket | Problem {
  if (/[@?]/.test(text))
    return {
      problem:
        'must be s3://bucket/prefix and nothing else (credentials go to AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)',
      secret: true,
    }
  const [bucket = '', ...segments] = text.slice('s3://'.length).replace(/\/+$/, '').split('/')
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    return { problem: 'must be s3://bucket/prefix with a bucket of 3 to 63 small letters, digits, dots and hyphens' }
  if (segments.some((segment) => segment === '' || segment.startsWith('.')))
    return { problem: 'must be s3://bucket/prefix without empty folders and names that begin with a dot' }
  return { kind: 's3', bucket, prefix: segments.join('/') }
}

function readEndpoint(text: string): string | null | Problem {
  if (text === '') return null
  if (text.includes('@'))
    return { problem: 'must be http:// or https:// and a host, without credentials', secret: true }
  const url = URL.canParse(text) ? new URL(text) : null
  const good = url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== ''
  return good ? text : { problem: 'must be http:// or https:// and a host' }
}

function readBoolean(text: string): boolean | null | Problem {
  if (text === '') return null
  return text === 'true' || text === 'false' ? text === 'true' : { problem: 'must be true or false' }
}

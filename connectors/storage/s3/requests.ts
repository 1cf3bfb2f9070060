/** Requests to one bucket: keys put under the lake's prefix, failures tried again while they may pass, then explained. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import type { Clock, Ids } from '../../../engine/contracts.ts'
import { MillraceError } from '../../../engine/errors.ts'
import { type Backoff, retryDelayMs } from '../../../engine/retry.ts'
import { faultOf, ObjectChanged } from './fault.ts'
import { gate } from './gate.ts'
import { type S3Settings, s3Url } from './settings.ts'

/** How often a request is tried before its failure is the batch's. */
export interface S3Retries extends Backoff {
  readonly attempts: number
}

/** Four tries with less than two seconds between them in all: a run has patience of its own. */
export const defaultS3Retries: S3Retries = { attempts: 4, firstDelayMs: 100, maxDelayMs: 2_000 }

/** Silence after which a request is ended, and its outcome unknown. */
export const defaultRequestTimeoutMs = 30_000

/** Fewer than the connections that the client keeps. */
const requestsAtOnce = 32

/** What requests are made with. */
export interface RequestOptions {
  readonly settings: S3Settings
  readonly clock: Clock
  readonly ids: Ids
  readonly requestTimeoutMs?: number
  readonly retries?: S3Retries
  /** Default: the SDK's chain (environment, profile, web identity, instance). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Default: the SDK's chain (`AWS_REGION`, profile). */
  readonly region?: string
}

/** What a request is about, for messages. */
export interface Subject {
  readonly verb: 'read' | 'write' | 'list' | 'delete'
  readonly key: string
}

/** An open client of a lake's bucket. */
export interface Requests {
  readonly client: S3Client
  readonly ids: Ids
  readonly url: string
  /** Bucket and full key of an object of the lake. */
  at(key: string): { readonly Bucket: string; readonly Key: string }
  /** Runs a request, not within another, until it succeeds, is refused, or failed too often: `STORAGE_FAILED`, but for a MillraceError. */
  run<T>(subject: Subject, request: () => Promise<T>): Promise<T>
}

/** Opens a client; nothing is sent. */
export function openRequests(options: RequestOptions): Requests {
  const { settings, clock, ids, retries = defaultS3Retries } = options
  const url = s3Url(settings)
  const through = gate(requestsAtOnce)
  const root = settings.prefix === '' ? '' : `${settings.prefix}/`
  return {
    client: new S3Client(clientConfig(options)),
    ids,
    url,
    at: (key) => ({ Bucket: settings.bucket, Key: root + key }),
    async run(subject, request) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await through(request)
        } catch (error) {
          if (error instanceof MillraceError || error instanceof ObjectChanged) throw error
          const fault = faultOf(error)
          if (!fault.transient || attempt >= retries.attempts) throw storageFailed(url, settings, subject, fault, error)
          await clock.sleep(retryDelayMs(retries, attempt, ids.random()))
        }
      }
    },
  }
}

function clientConfig(options: RequestOptions): S3ClientConfig {
  const { settings, requestTimeoutMs = defaultRequestTimeoutMs, credentials, region } = options
  const { endpoint, pathStyle, ca } = settings
  return {
    maxAttempts: 1, // a try of the SDK's own would hide that an answer was lost
    expectContinueHeader: false, // it costs a connection for each upload, and servers lock the key while they wait
    forcePathStyle: pathStyle,
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    requestHandler: {
      connectionTimeout: Math.min(10_000, requestTimeoutMs),
      requestTimeout: requestTimeoutMs, // until the answer begins
      socketTimeout: requestTimeoutMs, // and between its parts
      throwOnRequestTimeout: true, // otherwise it is only logged
      httpsAgent: ca === null ? {} : { ca },
    },
  }
}

const verbs = { read: 'read', write: 'written', list: 'listed', delete: 'deleted' } as const

function storageFailed(
  url: string,
  { endpoint }: S3Settings,
  { verb, key }: Subject,
  { what, transient }: ReturnType<typeof faultOf>,
  cause: unknown,
): MillraceError {
  const where = key === '' ? url : `${url}/${key}`
  const at = endpoint === null ? '' : ` at ${endpoint}`
  return new MillraceError('STORAGE_FAILED', `${where}${at} could not be ${verbs[verb]}: ${what}`, {
    cause,
    retryable: transient,
    context: { url, key },
  })
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Clock } from '../../../engine/contracts.ts'
import type { S3Store, S3StoreOptions } from '../s3.ts'
import { openTestBucket, service, type TestBucket } from './bucket.testing.ts'
import { faultOf } from './fault.ts'
import { startProxy } from './proxy.testing.ts'
import type { S3Settings } from './settings.ts'

const clock: Clock = { nowMs: () => Date.now(), sleep: async () => {} }
const body = Buffer.from('x')

test('what S3 and the network say is judged: whether it may pass, and whether it may have been done', () => {
  const answer = (name: string, httpStatusCode: number) =>
    Object.assign(new Error('words'), { name, $metadata: { httpStatusCode } })
  const system = (code: string) => Object.assign(new Error(code), { code })
  expect(faultOf(answer('SlowDown', 503))).toMatchObject({ transient: true, ambiguous: true })
  expect(faultOf(answer('InternalError', 200))).toMatchObject({ transient: true, ambiguous: true })
  expect(faultOf(answer('ConditionalRequestConflict', 409))).toMatchObject({ transient: true, ambiguous: false })
  expect(faultOf(answer('RequestTimeTooSkewed', 403))).toMatchObject({ transient: true, ambiguous: false })
  expect(faultOf(answer('AccessDenied', 403))).toMatchObject({ transient: false, ambiguous: false })
  expect(faultOf(answer('NoSuchBucket', 404))).toMatchObject({ transient: false })
  for (const code of ['ECONNRESET', 'EPIPE', 'ECONNREFUSED', 'ETIMEDOUT', 'EAI_AGAIN'])
    expect(faultOf(system(code)), code).toMatchObject({ transient: true, ambiguous: true })
  for (const code of ['ENOTFOUND', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'HPE_INVALID_CONSTANT'])
    expect(faultOf(system(code)), code).toMatchObject({ transient: false })
  expect(faultOf(new Error('one\ntwo')).what).toBe('one')
})

describe.skipIf(service.endpoint === '')('what is refused (needs AWS_ENDPOINT_URL_S3)', () => {
  let bucket: TestBucket
  beforeAll(() => {
    bucket = openTestBucket()
  })
  afterAll(() => bucket.close())

  const secret = 'a-secret-that-nobody-may-read'
  const accessKeyId = service.accessKey
  const cases: readonly (readonly [string, Partial<S3Settings>, Partial<S3StoreOptions>, string])[] = [
    ['a bucket that is not there', { bucket: 'not-there-4711' }, {}, 'the bucket does not exist'],
    ['a wrong secret key', {}, { credentials: { accessKeyId, secretAccessKey: secret } }, 'AWS_SECRET_ACCESS_KEY'],
    [
      'an unknown access key',
      {},
      { credentials: { accessKeyId: 'nobody', secretAccessKey: secret } },
      'AWS_ACCESS_KEY_ID',
    ],
    ['another region', {}, { region: 'eu-central-7' }, 'AWS_REGION'],
    ['a host that is not there', { endpoint: 'http://nowhere.invalid:9000' }, {}, 'AWS_ENDPOINT_URL_S3'],
    ['TLS where there is none', { endpoint: service.endpoint.replace('http:', 'https:') }, {}, 'AWS_ENDPOINT_URL_S3'],
  ]
  test.each(cases)('%s is refused by name, at once, without the secret', async (_, settings, more, words) => {
    const store = bucket.open(settings, { clock, ...more })
    const list = async (from: S3Store) => {
      for await (const { key } of from.list('')) return key
      return null
    }
    for (const attempt of [() => store.assertUsable(), () => store.get('k'), () => list(store)]) {
      const error = await attempt().then(
        () => null,
        (thrown: unknown) => thrown as Error,
      )
      expect(error).toMatchObject({ code: 'STORAGE_FAILED', retryable: false })
      expect(error!.message).toContain(words)
      expect(error!.message).toMatch(/^s3:\/\/.* could not be (read|written|listed): .* \(.*\)$/)
      expect(error!.message).not.toContain(secret)
    }
  })

  test('a service that is away may come back', async () => {
    const store = bucket.open({ endpoint: 'http://127.0.0.1:1' }, { clock })
    await expect(store.put('k', body)).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      retryable: true,
      message: expect.stringContaining('connection refused'),
    })
  })

  test.skipIf(!hasOpenssl())('an authority that Node does not know must be named', async () => {
    const { cert, key } = selfSigned()
    const proxy = await startProxy(service.endpoint, { cert, key })
    try {
      const stranger = bucket.open({ endpoint: proxy.endpoint }, { clock })
      await expect(stranger.put('k', body)).rejects.toMatchObject({
        retryable: false,
        message: expect.stringContaining('MILLRACE_S3_CA'),
      })
      const store = bucket.open({ endpoint: proxy.endpoint, ca: cert }, { clock })
      await store.put('k', body)
      expect(await store.get('k')).toEqual(Uint8Array.from(body))
    } finally {
      await proxy.close()
    }
  })
})

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function selfSigned(): { readonly cert: string; readonly key: string } {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-cert-'))
  try {
    const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openClickhouse } from './client.ts'
import { openWay, service, type Way } from './service.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-clickhouse-tls-'))
const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: dir, stdio: 'pipe' })
const pem = (file: string) => readFileSync(join(dir, file), 'utf8')

/** An authority, and a certificate of it for a host. */
function certify(authority: string, host: string): { readonly cert: string; readonly key: string } {
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  openssl('req', '-x509', ...ec, '-subj', `/CN=${authority}`, '-keyout', `${authority}.key`, '-out', `${authority}.pem`)
  openssl(
    ...['req', '-x509', ...ec, '-subj', '/CN=clickhouse', '-addext', `subjectAltName=${host}`],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-CA', `${authority}.pem`, '-CAkey', `${authority}.key`],
    ...['-keyout', `${authority}-host.key`, '-out', `${authority}-host.pem`],
  )
  return { cert: pem(`${authority}-host.pem`), key: pem(`${authority}-host.key`) }
}

function hasOpenssl(): boolean {
  try {
    return /^OpenSSL [3-9]/.test(String(openssl('version')))
  } catch {
    return false
  }
}

describe.skipIf(service.url === '' || !hasOpenssl())('in TLS (needs CLICKHOUSE_URL and openssl 3)', () => {
  let ours: Way
  let elsewhere: Way
  beforeAll(async () => {
    ours = await openWay(certify('ours', 'IP:127.0.0.1'))
    certify('others', 'IP:127.0.0.1')
    elsewhere = await openWay(certify('elsewhere', 'DNS:clickhouse.example'))
  })
  afterAll(async () => {
    await ours.close()
    await elsewhere.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test('the authority that signed the certificate lets us in', async () => {
    const clickhouse = openClickhouse({ ...service, url: ours.url, ca: pem('ours.pem') })
    await clickhouse.check()
    const path = join(dir, 'numbers.parquet')
    await clickhouse.download('SELECT number FROM numbers(100000)', path)
    expect(readFileSync(path).subarray(0, 4).toString()).toBe('PAR1')
    await clickhouse.close()
  })

  test.each([
    ['another authority', () => ours.url, () => pem('others.pem')],
    ['none of ours', () => ours.url, () => null],
    ['another host', () => elsewhere.url, () => pem('elsewhere.pem')],
  ])('%s is refused at once, and the message names the setting', async (_, url, ca) => {
    const clickhouse = openClickhouse({ ...service, url: url(), ca: ca(), password: 'a-secret' })
    const error = await clickhouse.check().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'CLICKHOUSE_REFUSED',
      retryable: false,
      message: expect.stringMatching(/^clickhouse at https:.*its certificate is not trusted: .*CLICKHOUSE_CA/),
    })
    expect(String(error)).not.toContain('a-secret')
    await clickhouse.close()
  })
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { openNeo4j } from './client.ts'
import { openWay, service, type Way } from './service.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-neo4j-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('a service that cannot be reached may come back, and the message says what to do', async () => {
  const neo4j = openNeo4j({ ...service, uri: 'bolt://127.0.0.1:1', password: 'a-secret' })
  await expect(neo4j.check()).rejects.toMatchObject({
    code: 'NEO4J_UNREACHABLE',
    retryable: true,
    message:
      'neo4j at bolt://127.0.0.1:1: query: connect ECONNREFUSED 127.0.0.1:1 (is the service up, and NEO4J_URI its Bolt address?)',
  })
  await neo4j.close()
})

describe.skipIf(service.uri === '')('over a service (needs NEO4J_URI)', () => {
  let way: Way
  beforeEach(async () => {
    way = await openWay()
  })
  afterEach(() => way.close())

  test('who is not let in, and a database that is missing, are refused by name and without the password', async () => {
    const refused = async (more: Partial<typeof service>, named: string) => {
      const stranger = openNeo4j({ ...service, ...more })
      const error = await stranger.check().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'NEO4J_REFUSED', retryable: false })
      expect(String(error)).toContain(named)
      expect(JSON.stringify(error) + String(error)).not.toContain('a-secret')
      await stranger.close()
    }
    await refused({ user: 'nobody', password: 'a-secret' }, 'user nobody is refused: ')
    await refused({ user: 'nobody', password: 'a-secret' }, 'check NEO4J_USER, NEO4J_PASSWORD')
    await refused({ database: 'not-there' }, 'there is no database not-there')
  })

  test('a service that hangs is given up after a while and may come back, whatever is asked of it', async () => {
    const impatient = openNeo4j({ ...service, uri: way.uri, timeoutMs: 1500 })
    const silent = {
      code: 'NEO4J_UNREACHABLE',
      retryable: true,
      message: expect.stringMatching(/no sign of life for 1500 ms .*NEO4J_TIMEOUT_MS/),
    }
    way.hang()
    await expect(impatient.check(), 'a connection').rejects.toMatchObject(silent)
    way.goOn()
    await impatient.check()
    way.hang()
    await expect(impatient.read('RETURN 1'), 'a query').rejects.toMatchObject(silent)
    way.goOn()
    const transaction = await impatient.begin()
    await transaction.run('RETURN 1')
    way.hang()
    await expect(transaction.run('RETURN 2'), 'a statement').rejects.toMatchObject(silent)
    await transaction.rollback()
    way.goOn()
    const second = await impatient.begin()
    way.hang()
    await expect(second.commit(), 'a commit').rejects.toMatchObject(silent)
    await impatient.close()
  })

  test('a service that is busy is waited for', async () => {
    const neo4j = openNeo4j(service)
    const impatient = openNeo4j({ ...service, uri: way.uri, timeoutMs: 1000 })
    await neo4j.run(`MERGE (:MillraceTest {id: 'locked'})`)
    const lock = (by: string) => `MATCH (t:MillraceTest {id: 'locked'}) SET t.by = '${by}' RETURN t.by AS by`
    const holder = await neo4j.begin()
    await holder.run(lock('holder'))
    const waiting = impatient.run(lock('waiting'))
    // it is asked over a second connection whether it is alive
    await vi.waitFor(() => expect(way.opened()).toBe(2), { timeout: 30_000 })
    await holder.commit()
    expect(await waiting).toEqual([{ by: 'waiting' }])
    await neo4j.run(`MATCH (t:MillraceTest {id: 'locked'}) DELETE t`)
    await impatient.close()
    await neo4j.close()
  })

  test('a transaction that hung lets go of what it had locked', async () => {
    const neo4j = openNeo4j(service)
    const far = openNeo4j({ ...service, uri: way.uri, timeoutMs: 1500 })
    await neo4j.run(`MERGE (:MillraceTest {id: 'locked'})`)
    const lock = `MATCH (t:MillraceTest {id: 'locked'}) SET t.by = 'somebody' RETURN t.by AS by`
    const held = await far.begin()
    await held.run(lock)
    way.hang()
    await expect(held.run('RETURN 1')).rejects.toMatchObject({ code: 'NEO4J_UNREACHABLE' })
    way.goOn()
    expect(await neo4j.run(lock)).toEqual([{ by: 'somebody' }])
    await neo4j.run(`MATCH (t:MillraceTest {id: 'locked'}) DELETE t`)
    await far.close()
    await neo4j.close()
  })

  test('what breaks in the middle may be tried again, what is wrong may not', async () => {
    const far = openNeo4j({ ...service, uri: way.uri })
    const transaction = await far.begin()
    way.cut()
    await expect(transaction.run('RETURN 1')).rejects.toMatchObject({ code: 'NEO4J_UNREACHABLE', retryable: true })
    await transaction.rollback()
    await expect(far.run('RETURN')).rejects.toMatchObject({
      code: 'SINK_FAILED',
      retryable: false,
      context: { code: 'Neo.ClientError.Statement.SyntaxError' },
    })
    await far.close()
  })
})

const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: dir, stdio: 'pipe' })

/** An authority, and a certificate of it for a host. */
function certify(authority: string, host: string): { readonly cert: string; readonly key: string } {
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  openssl('req', '-x509', ...ec, '-subj', `/CN=${authority}`, '-keyout', `${authority}.key`, '-out', `${authority}.pem`)
  openssl(
    ...['req', '-x509', ...ec, '-subj', '/CN=neo4j', '-addext', `subjectAltName=${host}`],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-CA', `${authority}.pem`, '-CAkey', `${authority}.key`],
    ...['-keyout', `${authority}-host.key`, '-out', `${authority}-host.pem`],
  )
  const pem = (file: string) => readFileSync(join(dir, file), 'utf8')
  return { cert: pem(`${authority}-host.pem`), key: pem(`${authority}-host.key`) }
}

function hasOpenssl(): boolean {
  try {
    return /^OpenSSL [3-9]/.test(String(openssl('version')))
  } catch {
    return false
  }
}

describe.skipIf(service.uri === '' || !hasOpenssl())('in TLS (needs NEO4J_URI and openssl 3)', () => {
  let ours: Way
  let elsewhere: Way
  beforeAll(async () => {
    ours = await openWay(certify('ours', 'IP:127.0.0.1'))
    certify('others', 'IP:127.0.0.1')
    elsewhere = await openWay(certify('elsewhere', 'DNS:neo4j.example'))
  })
  afterAll(async () => {
    await ours.close()
    await elsewhere.close()
  })

  test('the authority that signed the certificate lets us in, and so does an address that trusts any', async () => {
    for (const more of [{ uri: ours.uri, caFile: join(dir, 'ours.pem') }, { uri: ours.uri.replace('+s:', '+ssc:') }]) {
      const neo4j = openNeo4j({ ...service, ...more })
      await neo4j.check()
      await neo4j.close()
    }
  })

  test.each([
    ['another authority', () => ours.uri, () => join(dir, 'others.pem')],
    ['none of ours', () => ours.uri, () => null],
    ['another host', () => elsewhere.uri, () => join(dir, 'elsewhere.pem')],
  ])('%s is refused at once, and the message names the setting', async (_, uri, caFile) => {
    const neo4j = openNeo4j({ ...service, uri: uri(), caFile: caFile(), password: 'a-secret' })
    const error = await neo4j.check().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'NEO4J_REFUSED',
      retryable: false,
      message: expect.stringMatching(/^neo4j at bolt\+s:.*its certificate is not trusted: .*NEO4J_CA/),
    })
    expect(String(error)).not.toContain('a-secret')
    await neo4j.close()
  })
})

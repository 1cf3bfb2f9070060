/**
 * What happens to S3 while it is written to: killed and started again, and hanging. Of writers that race for log entries each is told
 * the truth, and every call ends within its timeouts; the platform goes on, and its tables end as on a folder.
 *
 *   node checks/s3-faults.ts SERVICES [--seed N] [--rounds N]
 *
 * SERVICES is a command that starts, kills and pauses an `s3` of its own. Prints one JSON line; exit 1 if anything is wrong.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { differences } from '../cli/dump.ts'
import { millrace, succeed } from './command.ts'
import { dumpOf } from './dump.ts'
import { ownService } from './own-service.ts'
import { seededDraw } from './random.ts'
import { startRace } from './s3-faults-race.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, rounds: { type: 'string', default: '4' } },
})
const [services] = positionals
if (services === undefined) throw new Error('name the command that starts services')
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const draw = seededDraw(seed)
const rounds = Number(values.rounds)
const requestTimeoutMs = 1_500
const embedded = { KAFKA_BROKERS: '' }

const root = mkdtempSync(join(tmpdir(), 'millrace-s3-faults-'))
const service = await ownService(services, {
  name: 's3',
  dir: join(root, 'service'),
  port: 20_000 + draw(9_000),
})
Object.assign(process.env, service.env) // for what reads the tables in this process
// The service is no child of ours: it would outlive a check that is ended from outside.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void service.wipe().finally(() => process.exit(1)))

async function disturb(times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    await sleep(300 + draw(700))
    await service.kill()
    await sleep(draw(500))
    await service.start()
    await sleep(300 + draw(700))
    await service.pause()
    await sleep(2 * requestTimeoutMs)
    await service.resume()
  }
}

async function race() {
  const stop = startRace({
    env: service.env,
    prefix: 'race',
    cacheDir: join(root, 'race-cache'),
    writers: 8,
    requestTimeoutMs,
  })
  await disturb(rounds)
  await sleep(500)
  const report = await stop()
  // three tries, the look at what is there after each, and the waits between them
  const inTime = report.longestCallMs < 6 * requestTimeoutMs + 3_000
  return { ...report, inTime, good: inTime && report.keys > 50 && report.doubled + report.lost + report.disowned === 0 }
}

async function platform() {
  const [bucket, folder] = [join(root, 'bucket'), join(root, 'folder')]
  const env = {
    ...service.env,
    MILLRACE_LAKE: `s3://${service.env.S3_BUCKET}/lake`,
    MILLRACE_RETRY_FOR: '10m',
    ...embedded,
  }
  await succeed(['simulate', '--titles', '60', '--corrupt', '0.1', '--duplicate', '0.1', '--data', bucket], embedded)
  cpSync(join(bucket, 'log'), join(folder, 'log'), { recursive: true })
  const words = ['run', '--all', '--available-now', '--max-records', '40']
  const running = millrace([...words, '--data', bucket], env)
  await disturb(2)
  const { status, errors, lines } = await running
  if (status !== 0) throw new Error(`the run ended with ${status}:\n${errors}`)
  await succeed([...words, '--data', folder], { MILLRACE_LAKE: '', ...embedded })
  const dumps = [await dumpOf(bucket, env), await dumpOf(folder, { MILLRACE_LAKE: '', ...embedded })] as const
  const different = differences(...dumps)
  await succeed(['audit', 'bronze/movies', '--rows', '--data', bucket], env)
  const retried = lines.filter((line) => line.includes('"retried"')).length
  return { tables: dumps[0].size, retried, different, good: different.length === 0 && dumps[0].size > 0 }
}

let good = false
try {
  const reports = { race: await race(), platform: await platform() }
  good = reports.race.good && reports.platform.good
  console.log(JSON.stringify({ check: 's3-faults', seed, ...reports }))
} finally {
  await service.wipe()
}
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)

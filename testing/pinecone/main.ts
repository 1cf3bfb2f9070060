/**
 * The emulator as a process of its own.
 *
 *   node testing/pinecone/main.ts [--port N] [--dir DIR] [--api-key KEY] [--latency-ms N] [--stale-reads N] [--visible-after-ms N]
 *     [--seed N --too-many SHARE --unavailable SHARE --cut SHARE --lost-answer SHARE --slow SHARE [--slow-ms N]]
 *
 * Prints one line with its address once it listens; ends with SIGTERM or SIGINT. With a folder, what it acknowledged survives its death. Shares of the
 * requests, 0 to 1 each, are answered with 429 or 5xx, cut before or after they had their effect, or answered late; the same seed chooses the same.
 */
import { parseArgs } from 'node:util'
import { startPineconeEmulator } from './emulator.ts'
import { seededFaults } from './faults.ts'

const share = { type: 'string', default: '0' } as const
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    dir: { type: 'string' },
    'api-key': { type: 'string' },
    seed: { type: 'string', default: '1' },
    'too-many': share,
    unavailable: share,
    cut: share,
    'lost-answer': share,
    slow: share,
    'slow-ms': { type: 'string', default: '1000' },
    'latency-ms': { type: 'string', default: '0' },
    'stale-reads': { type: 'string', default: '0' },
    'visible-after-ms': { type: 'string', default: '0' },
  },
})
const emulator = await startPineconeEmulator({
  port: Number(values.port),
  ...(values.dir === undefined ? {} : { dir: values.dir }),
  ...(values['api-key'] === undefined ? {} : { apiKey: values['api-key'] }),
  latencyMs: Number(values['latency-ms']),
  staleReads: Number(values['stale-reads']),
  visibleAfterMs: Number(values['visible-after-ms']),
  faults: seededFaults(Number(values.seed), {
    tooMany: Number(values['too-many']),
    unavailable: Number(values.unavailable),
    cut: Number(values.cut),
    lostAnswer: Number(values['lost-answer']),
    slow: Number(values.slow),
    slowMs: Number(values['slow-ms']),
  }),
})
console.log(emulator.url)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void emulator.close())

/**
 * The emulator as a process of its own.
 *
 *   node testing/pinecone/main.ts [--port N] [--dir DIR] [--api-key KEY] [--seed N --too-many SHARE --unavailable SHARE --cut SHARE --lost-answer SHARE]
 *
 * Prints one line with its address once it listens; ends with SIGTERM or SIGINT. With a folder, what it acknowledged survives its death.
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
  },
})
const emulator = await startPineconeEmulator({
  port: Number(values.port),
  ...(values.dir === undefined ? {} : { dir: values.dir }),
  ...(values['api-key'] === undefined ? {} : { apiKey: values['api-key'] }),
  faults: seededFaults(Number(values.seed), {
    tooMany: Number(values['too-many']),
    unavailable: Number(values.unavailable),
    cut: Number(values.cut),
    lostAnswer: Number(values['lost-answer']),
  }),
})
console.log(emulator.url)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void emulator.close())

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const program = `
import { startLean } from ${JSON.stringify(new URL('./lean-process.ts', import.meta.url).href)}
startLean()
const { pid, argv, execArgv, env } = process
console.log(JSON.stringify({ pid, words: argv.slice(2), flags: execArgv.filter((flag) => flag.startsWith('--max')), pools: env.MALLOC_ARENA_MAX }))
process.exitCode = 3
`
const script = `data:text/javascript,${encodeURIComponent(program)}`

async function started(env: Readonly<Record<string, string>>, ...flags: readonly string[]) {
  const main = ['--input-type=module', '--eval', `await import(${JSON.stringify(script)})`]
  const { MALLOC_ARENA_MAX: _, ...rest } = process.env
  const child = spawn(process.execPath, [...flags, ...main], {
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  return { ...(JSON.parse(output) as object), isSame: (JSON.parse(output) as { pid: number }).pid === child.pid, code }
}

test.runIf(process.platform === 'linux')(
  'a process that starts lean is the same one, and ends as it would',
  async () => {
    expect(await started({})).toMatchObject({ isSame: true, code: 3, pools: '2', flags: ['--max-semi-space-size=4'] })
  },
)

test('what somebody chose is left', async () => {
  expect(await started({ MALLOC_ARENA_MAX: '5' })).toMatchObject({ isSame: true, code: 3, pools: '5', flags: [] })
  expect(await started({ NODE_OPTIONS: '--max-semi-space-size=9' })).toMatchObject({ isSame: true, code: 3, flags: [] })
  const flags = ['--max-semi-space-size=9']
  expect(await started({}, ...flags)).toMatchObject({ isSame: true, code: 3, flags })
})

/** The readers of `beside-stream`: requests to `serve`, and commands as processes of their own, in loops. */
import { setTimeout as sleep } from 'node:timers/promises'

import type { Ended } from './command.ts'

export interface ReaderOptions {
  /** Runs `millrace` with these words on the data directory. */
  readonly run: (...words: readonly string[]) => Promise<Ended>
  /** Where `serve` listens at the moment. */
  readonly url: () => string
  /** Whether `serve` is killed meanwhile: requests that find nobody are no failures then. */
  readonly mayFindNobody: boolean
  readonly isOver: () => boolean
  readonly count: (what: string) => void
  readonly failed: (what: string) => void
  /** Between two long questions. */
  readonly longQuestionEveryMs: number
}

/** Takes seconds of one core, however large the store is, and holds it meanwhile. */
const longQuestion =
  'SELECT count(*) AS n FROM (FROM people LIMIT 300) a, range(60000) b, range(60) c WHERE a.popularity + b.range > c.range'

const commands: readonly (readonly [name: string, ...words: string[]])[] = [
  ['search', 'search', 'a detective', '--top', '1'],
  ['olap', 'olap', 'runtimes'],
  ['graph', 'graph', 'hubs', '--top', '1'],
  ['status', 'status', '--json'],
]

const addresses = ['/search?text=a+detective&top=1', '/olap/runtimes', '/graph/hubs?top=1', '/olap/best-rated']

/** Loops that end when it is over, each with its own start in the lists. */
export function readers(options: ReaderOptions) {
  const { run, url, mayFindNobody, isOver, count, failed, longQuestionEveryMs } = options

  async function command(name: string, words: readonly string[]): Promise<void> {
    const { status, signal, lines, errors } = await run(...words)
    count(name)
    if (status !== 0) failed(`${name} ended with ${status ?? signal}: ${errors}`)
    for (const line of lines) if (/"section":"problems"/.test(line)) failed(`${name}: ${line}`)
  }

  async function request(address: string): Promise<void> {
    try {
      const response = await fetch(url() + address)
      const body = await response.text()
      count(`GET ${address.split('?')[0]}`)
      if (!response.ok) failed(`GET ${address} answered ${response.status}: ${body}`)
    } catch (error) {
      if (!mayFindNobody) return failed(`GET ${address} failed: ${error}`)
      count('requests that found nobody')
      await sleep(100)
    }
  }

  return {
    async commands(first: number): Promise<void> {
      for (let i = first; !isOver(); i += 1) {
        const [name, ...words] = commands[i % commands.length]!
        await command(name, words)
      }
    },
    async requests(first: number): Promise<void> {
      for (let i = first; !isOver(); i += 1) await request(addresses[i % addresses.length]!)
    },
    async longQuestions(): Promise<void> {
      while (!isOver()) {
        await command('long olap', ['olap', longQuestion])
        await sleep(longQuestionEveryMs)
      }
    },
  }
}

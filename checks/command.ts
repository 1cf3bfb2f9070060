/** Runs the command line as a user does: a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const main = join(import.meta.dirname, '../cli/main.ts')

export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  /** Lines of standard output. */
  readonly lines: readonly string[]
  readonly errors: string
}

/** Starts `millrace` with arguments; the promise is of its end, however it comes about. */
export function millrace(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> & { readonly child: ChildProcess } {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  let errors = ''
  createInterface(child.stdout).on('line', (line) => lines.push(line))
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString('utf8')
  })
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (status, signal) => resolve({ status, signal, lines, errors }))
  })
  return Object.assign(ended, { child })
}

/** The same, for a command that must succeed. */
export async function succeed(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const ended = await millrace(args, env)
  if (ended.status === 0) return ended.lines
  throw new Error(
    `millrace ${args.join(' ')} ended with ${ended.status ?? ended.signal}:\n${ended.lines.slice(-5).join('\n')}\n${ended.errors}`,
  )
}

export interface BatchLine {
  readonly pipeline: string
  readonly outcome: string
  readonly rowsIn: number
  readonly deadLetters: number
  readonly written: Readonly<Record<string, number>>
}

/** The log lines that `run` printed. */
export function batchLines(lines: readonly string[]): BatchLine[] {
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as BatchLine)
}

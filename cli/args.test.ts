import { expect, test } from 'vitest'
import { MillraceError } from '../engine/errors.ts'
import { formatHelp, parseCommand } from './args.ts'
import { verbs } from './verbs.ts'

function problemsOf(...words: readonly string[]): readonly string[] {
  try {
    parseCommand(words, verbs)
  } catch (error) {
    expect(error).toBeInstanceOf(MillraceError)
    expect((error as MillraceError).code).toBe('CONFIG_INVALID')
    return (error as MillraceError).problems
  }
  return []
}

test('words become a verb with checked, typed options', () => {
  const command = parseCommand(
    ['tables', 'show', 'silver/movies', '--limit', '3', '--columns=id,title', '--json'],
    verbs,
  )
  expect(command.verb.verb).toBe('tables show')
  expect(command.arguments).toEqual(['silver/movies'])
  expect(command.options).toEqual({ limit: 3, columns: 'id,title', json: true })
})

test('the longer of two verbs that begin alike is found', () => {
  expect(parseCommand(['graph', 'path', 'A', 'B'], verbs).verb.verb).toBe('graph path')
  expect(parseCommand(['graph', 'MATCH (n) RETURN n'], verbs).verb.verb).toBe('graph')
})

test('every problem of a command line is told at once', () => {
  const problems = problemsOf('tables', 'show', '--limit', '0', '--version', 'x', '--colour=red', '--json=yes')
  expect(problems).toHaveLength(5)
  expect(problems.join('\n')).toMatch(
    /--limit: must be a whole number of at least 1, not "0"[\s\S]*--version: [\s\S]*--colour: unknown option \(tables show has --limit[\s\S]*--json: takes no value[\s\S]*missing argument: millrace tables show <table>/,
  )
})

test.each([
  [['fly'], 'fly: unknown command'],
  [[], 'no command'],
  [['tables'], 'tables: unknown command'],
  [['status', 'extra'], 'extra: unexpected argument'],
  [['run', '--data'], '--data: needs a value (--data <DIR>)'],
  [['run', '--data='], '--data: needs a value'],
  [['run', '--once', '--once'], '--once: stands twice'],
  [['run', '--every', '0'], '--every: must be a number of at least 0.001'],
  [['run', '--every', 'Infinity'], '--every: must be a number'],
  [['run', '--workers', '1.5'], '--workers: must be a whole number from 0 to 64'],
  [['run', '--max-records', '9007199254740993'], '--max-records: must be a whole number'],
  [['simulate', '--late', '2'], '--late: must be a number from 0 to 1'],
])('%j is refused with a reason', (words, problem) => {
  expect(problemsOf(...words).join('\n')).toContain(problem)
})

test('an option that may stand several times collects its values', () => {
  const { options } = parseCommand(['simulate', '--history', 'a', '--history', 'b'], verbs)
  expect(options.history).toEqual(['a', 'b'])
})

test('asking for help is no mistake, whatever else is missing', () => {
  expect(parseCommand(['explain', '--help'], verbs).options.help).toBe(true)
})

test('the help names every command, and every option of one', () => {
  const all = formatHelp(verbs)
  for (const { verb } of verbs) expect(all).toContain(`  ${verb}`)
  const one = verbs.find(({ verb }) => verb === 'tables show')!
  expect(formatHelp(verbs, one)).toMatch(
    /^usage: millrace tables show <table> \[options\]\n[\s\S]*--limit N [\s\S]*--data DIR/,
  )
})

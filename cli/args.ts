/** Command lines: from words to a typed, checked command. Every problem is told at once. */
import { parseArgs } from 'node:util'
import { MillraceError } from '../engine/errors.ts'

/** An option of a verb. Numbers are checked here, so that commands get numbers. */
export interface OptionSpec {
  readonly type: 'boolean' | 'string' | 'integer' | 'number'
  /** How often it may stand: once unless true. */
  readonly multiple?: boolean
  readonly min?: number
  readonly max?: number
  /** What a text must be, if it is not that; null where it is. */
  readonly check?: (text: string) => string | null
  /** Shown in the help as `--name <placeholder>`. */
  readonly placeholder?: string
  readonly help: string
}

/** What a command takes; parsing and help follow from it. */
export interface VerbSpec {
  /** `run`, or `tables history`. */
  readonly verb: string
  /** `<pipeline...>` */
  readonly arguments: string
  readonly minArguments: number
  readonly maxArguments: number
  readonly help: string
  readonly options: Readonly<Record<string, OptionSpec>>
}

/** What an option was given; `true` for a flag, a list where it may be repeated. */
export type OptionValue = boolean | string | number | readonly string[]

/** A command line that fits its verb; options that were not given are left out. */
export interface ParsedCommand {
  readonly verb: VerbSpec
  readonly arguments: readonly string[]
  readonly options: Readonly<Record<string, OptionValue | undefined>>
}

/** Options that every verb has. */
const commonOptions: Readonly<Record<string, OptionSpec>> = {
  data: {
    type: 'string',
    placeholder: 'DIR',
    help: 'where log, lake and stores live (default ./data, or MILLRACE_DATA)',
  },
  config: { type: 'string', placeholder: 'FILE', help: 'configuration file (default millrace.config.json, if there)' },
  help: { type: 'boolean', help: 'show this help' },
}

/**
 * Finds the verb and checks its arguments and options.
 * @throws MillraceError `CONFIG_INVALID` with one line per problem
 */
export function parseCommand(words: readonly string[], verbs: readonly VerbSpec[]): ParsedCommand {
  const verb = verbs.find((each) => each.verb.split(' ').every((word, i) => words[i] === word))
  if (verb === undefined) throw unknownVerb(words, verbs)
  const specs = { ...verb.options, ...commonOptions }
  const problems: string[] = []
  const parsed = parseArgs({
    args: words.slice(verb.verb.split(' ').length),
    options: Object.fromEntries(
      Object.entries(specs).map(
        ([name, spec]) => [name, { type: spec.type === 'boolean' ? 'boolean' : 'string', multiple: true }] as const,
      ),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const options: Record<string, OptionValue | undefined> = {}
  for (const token of parsed.tokens) {
    if (token.kind !== 'option') continue
    const spec = specs[token.name]
    if (spec === undefined)
      problems.push(`${token.rawName}: unknown option (${verb.verb} has ${dashed(Object.keys(specs))})`)
    else read(token.rawName, token.name, token.value, spec, options, problems)
  }
  const positionals = parsed.positionals
  if (positionals.length < verb.minArguments && options.help !== true)
    problems.push(`missing argument: millrace ${verb.verb} ${verb.arguments}`)
  for (const extra of positionals.slice(verb.maxArguments))
    problems.push(`${extra}: unexpected argument (usage: millrace ${verb.verb} ${verb.arguments} [options])`)
  if (problems.length > 0) throw usageError(problems)
  return { verb, arguments: positionals, options }
}

function read(
  raw: string,
  name: string,
  text: string | undefined,
  spec: OptionSpec,
  options: Record<string, OptionValue | undefined>,
  problems: string[],
): void {
  if (options[name] !== undefined && spec.multiple !== true) {
    problems.push(`${raw}: stands twice (give it once)`)
    return
  }
  if (spec.type === 'boolean') {
    if (text !== undefined) problems.push(`${raw}: takes no value, not ${JSON.stringify(text)}`)
    options[name] = true
    return
  }
  if (text === undefined || text === '') {
    problems.push(`${raw}: needs a value (${raw} <${spec.placeholder ?? spec.type}>)`)
    return
  }
  const wrong = spec.check?.(text) ?? null
  if (wrong !== null) problems.push(`${raw}: ${wrong}, not ${JSON.stringify(text)}`)
  else if (spec.type === 'string')
    options[name] = spec.multiple === true ? [...((options[name] ?? []) as string[]), text] : text
  else options[name] = readNumber(raw, text, spec, problems)
}

function readNumber(raw: string, text: string, spec: OptionSpec, problems: string[]): number | undefined {
  const value = Number(text)
  const wanted = spec.type === 'integer' ? 'a whole number' : 'a number'
  const range =
    spec.min !== undefined && spec.max !== undefined
      ? ` from ${spec.min} to ${spec.max}`
      : spec.min !== undefined
        ? ` of at least ${spec.min}`
        : ''
  const ok =
    text.trim() !== '' &&
    (spec.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
    value >= (spec.min ?? Number.NEGATIVE_INFINITY) &&
    value <= (spec.max ?? Number.POSITIVE_INFINITY)
  if (!ok) problems.push(`${raw}: must be ${wanted}${range}, not ${JSON.stringify(text)}`)
  return ok ? value : undefined
}

function unknownVerb(words: readonly string[], verbs: readonly VerbSpec[]): MillraceError {
  const shown = words
    .filter((word) => !word.startsWith('-'))
    .slice(0, 2)
    .join(' ')
  return usageError([
    `${shown === '' ? 'no command' : `${shown}: unknown command`} (commands: ${verbs.map((v) => v.verb).join(', ')}; millrace --help)`,
  ])
}

/** The error that ends a command with exit code 2: one line per problem, no stack trace. */
export function usageError(problems: readonly string[]): MillraceError {
  return new MillraceError('CONFIG_INVALID', problems.join('\n'), { problems })
}

function dashed(names: readonly string[]): string {
  return names.map((name) => `--${name}`).join(', ')
}

/** Help of all verbs, or of one. */
export function formatHelp(verbs: readonly VerbSpec[], only?: VerbSpec): string {
  if (only === undefined) {
    const width = Math.max(...verbs.map((v) => `${v.verb} ${v.arguments}`.length))
    const lines = verbs.map((v) => `  ${`${v.verb} ${v.arguments}`.padEnd(width)}  ${v.help}`)
    return [
      'usage: millrace <command> [options]',
      '',
      ...lines,
      '',
      'millrace <command> --help shows its options.',
    ].join('\n')
  }
  const options = Object.entries({ ...only.options, ...commonOptions })
  const left = options.map(
    ([name, spec]) => `--${name}${spec.type === 'boolean' ? '' : ` ${spec.placeholder ?? spec.type}`}`,
  )
  const width = Math.max(...left.map((text) => text.length))
  return [
    `usage: millrace ${only.verb} ${only.arguments} [options]`.replace(/ +/g, ' '),
    '',
    only.help,
    '',
    ...options.map(([, spec], i) => `  ${left[i]!.padEnd(width)}  ${spec.help}`),
  ].join('\n')
}

/** What every command starts from. */
import type { OptionValue, ParsedCommand } from './args.ts'
import { type Config, readConfig } from './config.ts'

/** Configuration, and the command line as it was parsed. */
export interface CommandContext {
  readonly config: Config
  readonly arguments: readonly string[]
  readonly options: Readonly<Record<string, OptionValue | undefined>>
  readonly json: boolean
}

/** Reads configuration for a parsed command line. */
export function commandContext(command: ParsedCommand): CommandContext {
  const { options } = command
  const config = readConfig({
    env: process.env,
    ...(typeof options.config === 'string' ? { file: options.config } : {}),
    ...(typeof options.data === 'string' ? { dataDir: options.data } : {}),
  })
  return { config, arguments: command.arguments, options, json: options.json === true }
}

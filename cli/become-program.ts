import { accessSync, constants } from 'node:fs'

/**
 * Starts a program in place of this process, with its id and nothing else of it. Returns where that cannot be: on Windows, and where the program cannot be
 * run. `args`: with the program's own name first.
 */
export function becomeProgram(path: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  if (process.platform === 'win32') return
  try {
    accessSync(path, constants.X_OK) // one that cannot be run would end this process
    process.execve?.(path, args, env)
  } catch {
    // the caller goes on
  }
}

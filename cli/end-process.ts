/** Ends the process when its command is done, whatever is still open. */
import { spawn } from 'node:child_process'
import { becomeProgram } from './become-program.ts'

/** For what closes by itself: connections, threads, files. */
const lingerMs = 500
const exitSeconds = 2

const shell = '/bin/sh'

/**
 * Lets the process end by itself; where something left behind keeps it, ends it with the exit code that is set. Every exit waits for native
 * work that is under way and for native libraries to close, by which time no code of ours runs any more. So what was left behind is left by becoming
 * another program, which waits for nothing; and should that not be possible, another process sees to it that this one ends.
 */
export function endProcess(): void {
  process.prependOnceListener('exit', killLater)
  setTimeout(() => {
    process.once('exit', (code) => becomeProgram(shell, [shell, '-c', `exit ${code}`])) // after what others do at the exit
    process.exit()
  }, lingerMs).unref()
}

/** A shell, where there is one, is there at once and takes next to nothing. */
function killLater(): void {
  const [command, ...args] =
    process.platform === 'win32'
      ? [process.execPath, '-e', `setTimeout(() => process.kill(${process.pid}, 'SIGKILL'), ${exitSeconds * 1000})`]
      : [shell, '-c', `sleep ${exitSeconds}; kill -KILL ${process.pid}`]
  spawn(command!, args, { stdio: 'ignore', detached: true })
    .on('error', () => {}) // without it the process ends in the usual way
    .unref()
}

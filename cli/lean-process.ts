/**
 * The allocator of Linux (glibc) keeps a pool for each of many threads, and what one frees is not given to another: a stream took 100 MiB more, and grew
 * for longer. How many pools there are is read when a process starts, as is the size of the space for young objects, which Node chooses by the
 * machine's memory and not by ours. So a process that is to live for long starts anew in its own place, with the same id.
 */

/** Pools of the allocator. */
const pools = '2'

/** Of each half of the space for young objects. */
const youngMiB = 4

/** Starts this process anew with the settings, unless it has them, somebody chose others, or the system has no such allocator. */
export function startLean(): void {
  const { env, execPath, execArgv, argv } = process
  if (process.platform !== 'linux' || env.MALLOC_ARENA_MAX !== undefined || process.channel !== undefined) return
  const flags = execArgv.some((flag) => flag.includes('semi-space')) ? [] : [`--max-semi-space-size=${youngMiB}`]
  try {
    process.execve?.(execPath, [execPath, ...execArgv, ...flags, ...argv.slice(1)], { ...env, MALLOC_ARENA_MAX: pools })
  } catch {
    // not supported here: it takes more memory, and works as well
  }
}

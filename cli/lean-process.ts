/**
 * The allocator of Linux (glibc) keeps a pool for each of many threads, and what one frees is not given to another: a stream took 100 MiB more, and grew
 * for longer. How many pools there are is read when a process starts, as is the size of the space for young objects, which Node chooses by the
 * machine's memory and not by ours. So a process that is to live for long starts anew in its own place, with the same id.
 */
import { becomeProgram } from './become-program.ts'

/**
 * Settings of the allocators. Those of glibc: how many pools there are, and that a block of half a MiB or more goes back to the system when it is free:
 * by default the first that is freed makes it keep all that are not larger. Those of DuckDB's own (jemalloc): one pool, and what is free for a tenth of a
 * second goes back: by default it is kept for ten, so that what a statement took is still there when another part of the process needs as much.
 */
const allocators = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(2 ** 19),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 22),
  DUCKDB_JE_MALLOC_CONF: 'narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0',
}

/** Of each half of the space for young objects. */
const youngMiB = 4

/** Starts this process anew with the settings, on Linux, unless it has them or somebody chose others. */
export function startLean(): void {
  const { env, execPath, execArgv, argv } = process
  if (process.platform !== 'linux' || env.MALLOC_ARENA_MAX !== undefined || process.channel !== undefined) return
  const chosen = [...execArgv, env.NODE_OPTIONS ?? ''].some((flag) => flag.includes('semi-space'))
  const flags = chosen ? [] : [`--max-semi-space-size=${youngMiB}`]
  becomeProgram(execPath, [execPath, ...execArgv, ...flags, ...argv.slice(1)], { ...allocators, ...env }) // otherwise it takes more memory, and works as well
}

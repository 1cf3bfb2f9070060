/** The facts of the machine that belong beside every figure. */
import { availableParallelism, cpus, totalmem } from 'node:os'

export function machineFacts(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  }
}

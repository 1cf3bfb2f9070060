/** Arrow's IPC streams, written into memory that is used again for the next. */
import { AsyncByteQueue, type RecordBatch, RecordBatchStreamWriter } from 'apache-arrow'

/** Collects what a writer writes in one growing piece of memory. */
class ReusedMemory extends AsyncByteQueue {
  #memory = new Uint8Array(0)
  #length = 0

  override write(value: Uint8Array): void {
    const end = this.#length + value.byteLength
    if (end > this.#memory.length) this.#grow(end)
    this.#memory.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), this.#length)
    this.#length = end
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#memory.length))
    larger.set(this.#memory.subarray(0, this.#length))
    this.#memory = larger
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    const taken = this.#memory.subarray(0, this.#length)
    this.#length = 0
    return taken
  }
}

const memory = new ReusedMemory()

/** The batch as a whole stream, in memory of this thread that the next call uses again. */
export function ipcMessage(batch: RecordBatch): Uint8Array {
  const writer = new RecordBatchStreamWriter({ autoDestroy: false })
  writer.reset(memory)
  writer.write(batch)
  writer.finish()
  return memory.take()
}

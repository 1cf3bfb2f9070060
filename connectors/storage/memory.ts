/** An object store in memory, for tests and examples. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { assertKey, compareKeys } from './key.ts'

export interface MemoryStoreOptions {
  /** Folder for {@link ObjectStore.localFile}; default a new one under the system's, which the caller may remove. */
  readonly localDir?: string
}

interface StoredObject {
  readonly body: Uint8Array
  readonly modifiedMs: number
}

/** Keeps the contract of {@link ObjectStore}, but for durability: everything is gone with the process. */
export function memoryStore(options: MemoryStoreOptions = {}): ObjectStore {
  const objects = new Map<string, StoredObject>()
  let localDir = options.localDir ?? null

  function set(key: string, body: Uint8Array): void {
    objects.set(key, { body: Uint8Array.from(body), modifiedMs: Date.now() })
  }
  function putNew(key: string, body: Uint8Array): boolean {
    assertKey(key)
    if (objects.has(key)) return false
    set(key, body)
    return true
  }
  return {
    url: 'memory:',
    async get(key) {
      assertKey(key)
      const found = objects.get(key)
      return found === undefined ? null : Uint8Array.from(found.body)
    },
    async *list(prefix, startAfter = '') {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && compareKeys(key, startAfter) > 0)
      for (const key of keys.sort(compareKeys)) {
        const found = objects.get(key)
        if (found !== undefined) yield { key, sizeBytes: found.body.length, modifiedMs: found.modifiedMs }
      }
    },
    async putIfAbsent(key, body) {
      return putNew(key, body)
    },
    async put(key, body) {
      assertKey(key)
      set(key, body)
    },
    async putFile(key, localPath) {
      if (!putNew(key, await readFile(localPath)))
        throw new MillraceError('STORAGE_FAILED', `file exists already: ${key} (data files need new names)`)
      await rm(localPath)
    },
    async localFile(key) {
      const found = objects.get(key)
      if (found === undefined)
        throw new MillraceError('TABLE_CORRUPT', `file is missing: ${key} (restore it, or restore the table)`)
      localDir ??= mkdtempSync(join(tmpdir(), 'millrace-memory-'))
      const path = join(localDir, `${randomUUID()}-${key.split('/').at(-1)}`)
      writeFileSync(path, found.body)
      return path
    },
    async delete(key) {
      assertKey(key)
      objects.delete(key)
    },
  }
}

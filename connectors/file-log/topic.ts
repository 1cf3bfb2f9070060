/**
 * Topics as folders: `<dir>/<topic>/topic.json` names the topic's id, its number of partitions and the first offset;
 * partition `p` lives in `<dir>/<topic>/<p>/`. The file is the topic: without it there is none.
 */
import { link, open, readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Ids } from '../../engine/contracts.ts'
import { isSystemError, MillraceError } from '../../engine/errors.ts'
import { makeFolder } from '../../engine/make-folder.ts'
import { storageFailed } from './failures.ts'

/** A topic as it was created; nothing of it changes later. */
export interface Topic {
  readonly name: string
  /** Made when the topic was: a topic created again under the same name has another. */
  readonly id: string
  readonly partitions: number
  /** Offset of the first record ever written, in every partition. */
  readonly firstOffset: bigint
  /** The topic's folder. */
  readonly path: string
}

export interface TopicOptions {
  /** The folder that holds all topics. */
  readonly dir: string
  readonly name: string
  readonly partitions: number
  /** Default 0. */
  readonly firstOffset?: bigint
  readonly ids: Ids
}

/** The topic, or null if there is none. */
export async function readTopic(dir: string, name: string): Promise<Topic | null> {
  checkName(name)
  const path = join(dir, name)
  const file = join(path, 'topic.json')
  try {
    return parseTopic(name, path, await readFile(file, 'utf8'))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw storageFailed(file, 'read a topic', error)
  }
}

/** Names of all topics in the folder. */
export async function listTopics(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory() && validName.test(entry.name)).map(({ name }) => name)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw storageFailed(dir, 'list topics', error)
  }
}

/**
 * Creates the topic, or returns the one that is there. `CONFIG_INVALID` if that one has another number of partitions:
 * it cannot change, since keys would move to other partitions.
 */
export async function createTopic(options: TopicOptions): Promise<Topic> {
  const { dir, name, partitions, firstOffset = 0n, ids } = options
  checkName(name)
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 10_000)
    throw new MillraceError('CONFIG_INVALID', `topic ${name} cannot have ${partitions} partitions (give 1 to 10000)`)
  const topic = (await readTopic(dir, name)) ?? (await publish({ dir, name, partitions, firstOffset, ids }))
  if (topic.partitions !== partitions)
    throw new MillraceError(
      'CONFIG_INVALID',
      `topic ${name} has ${topic.partitions} partitions, not ${partitions} (use that number, or another topic)`,
    )
  return topic
}

/** Folder of one partition. */
export function partitionPath(topic: Topic, partition: number): string {
  return join(topic.path, String(partition))
}

/** What every frame header of the partition is signed with, so that bytes of another partition never pass for its own. */
export function partitionSeed(topic: Topic, partition: number): number {
  return crc32(`${topic.id}/${partition}`)
}

/** Makes the entries of a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Kafka's rule for names, less those that begin with `_`, which are the log's own folders. */
const validName = /^(?!_)(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/

function checkName(name: string): void {
  if (validName.test(name)) return
  throw new MillraceError(
    'CONFIG_INVALID',
    `not a topic name: ${JSON.stringify(name)} (use letters, digits, '.', '_' and '-', not a leading '_')`,
  )
}

function parseTopic(name: string, path: string, text: string): Topic {
  const { name: own = name, id, partitions, firstOffset } = parseFields(path, text)
  if (own !== name) throw sameFolder(name, String(own), path)
  if (typeof id === 'string' && typeof partitions === 'number' && typeof firstOffset === 'string')
    return { name, id, partitions, firstOffset: BigInt(firstOffset), path }
  throw new MillraceError('LOG_CORRUPT', `topic file lacks a field: ${join(path, 'topic.json')} (restore it)`)
}

function parseFields(path: string, text: string): Record<string, unknown> {
  try {
    const fields = JSON.parse(text) as Record<string, unknown>
    BigInt(String(fields.firstOffset))
    return fields
  } catch (cause) {
    throw new MillraceError('LOG_CORRUPT', `topic file is damaged: ${join(path, 'topic.json')} (restore it)`, { cause })
  }
}

/** Where letters' case makes no folder another one, two topics would share theirs. Topics of earlier versions do not say their name. */
function sameFolder(name: string, own: string, path: string): MillraceError {
  return new MillraceError(
    'CONFIG_INVALID',
    `topic ${name} would be kept in the folder of topic ${own}: ${path} (the file system takes their names for one: choose a name that differs in more than the case of its letters)`,
  )
}

/** The link is what makes the topic exist: of two creators, one wins and the other takes the winner's. */
async function publish(options: Required<TopicOptions>): Promise<Topic> {
  const { dir, name, partitions, firstOffset, ids } = options
  const path = join(dir, name)
  const draft = join(path, `topic.json.${ids.uuid()}`)
  try {
    for (let p = 0; p < partitions; p += 1) await makeFolder(join(path, String(p)))
    const file = await open(draft, 'wx')
    try {
      await file.writeFile(
        `${JSON.stringify({ name, id: ids.uuid(), partitions, firstOffset: String(firstOffset) })}\n`,
      )
      await file.sync()
    } finally {
      await file.close()
    }
    await link(draft, join(path, 'topic.json')).catch((error) => {
      if (!isSystemError(error, 'EEXIST')) throw error
    })
    await unlink(draft)
    await syncFolder(path)
    await syncFolder(dir)
  } catch (error) {
    throw storageFailed(path, 'create a topic', error)
  }
  const topic = await readTopic(dir, name)
  if (topic === null)
    throw new MillraceError('STORAGE_FAILED', `topic vanished while it was created: ${path} (try again)`)
  return topic
}

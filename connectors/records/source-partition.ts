/** Names of source partitions of topics, the same for every log that has topics. */
import type { Position } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { identified } from '../../engine/identity.ts'

/** `<topic>/<partition>`. */
export function sourcePartition(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** Topic and partition of a source partition: the last `/` separates them. */
export function parseSourcePartition(text: string): { readonly topic: string; readonly partition: number } {
  const slash = text.lastIndexOf('/')
  const partition = text.slice(slash + 1)
  if (slash < 1 || !/^\d{1,5}$/.test(partition))
    throw new MillraceError('CONFIG_INVALID', `not a source partition of a log: ${text} (it is <topic>/<number>)`)
  return { topic: text.slice(0, slash), partition: Number(partition) }
}

/**
 * A topic's id as a position: the first 63 bits of the UUID, so that it fits where offsets are kept. Another topic of
 * the same name has another one.
 */
export function identityPosition(topicId: string): bigint {
  return BigInt(`0x${topicId.replaceAll('-', '').slice(0, 16)}`) & 0x7fff_ffff_ffff_ffffn
}

/** Topics of which a position holds something. */
export function topicsIn(held: Position): ReadonlySet<string> {
  return new Set([...held.keys()].flatMap((partition) => identified(partition) ?? []))
}

/** Another topic stands under a topic's name. */
export function topicReplaced(topic: string): MillraceError {
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `topic ${topic} is not the one that was read: it has been deleted and created again (read it by a pipeline of another name, into new tables)`,
    { context: { topic } },
  )
}

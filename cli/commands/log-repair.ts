/** `millrace log repair`. */
import { examinePartition, type LogDamage } from '../../connectors/file-log/examine.ts'
import { topicNotFound } from '../../connectors/file-log/failures.ts'
import { giveUpDamage } from '../../connectors/file-log/give-up.ts'
import { listTopics, readTopic, type Topic } from '../../connectors/file-log/topic.ts'
import { systemIds } from '../../engine/clock.ts'
import type { CommandContext } from '../context.ts'
import { foldersOf } from '../folders.ts'
import { tornTailText } from '../log-lines.ts'
import { toJson } from '../output.ts'
import { requireDataDir } from '../reading.ts'

/** Prints which records of the embedded log cannot be read; gives them up where the command says so. */
export async function repair({ config, arguments: [name], options, json }: CommandContext): Promise<number> {
  requireDataDir({ ...config, lake: null }) // the log is there, wherever the lake is
  const { logDir } = foldersOf(config.dataDir)
  const giveUp = options['give-up'] === true
  let damaged = 0
  for (const topic of await chosenTopics(logDir, name)) {
    for (let partition = 0; partition < topic.partitions; partition += 1) {
      const { damages, torn } = giveUp
        ? await giveUpDamage(topic, partition, systemIds)
        : await examinePartition(topic, partition)
      damaged += damages.length
      for (const damage of damages) console.log(json ? toJson(rowOf(damage, giveUp)) : textOf(damage, giveUp))
      if (torn !== null) console.error(`millrace: ${tornTailText(torn)}`)
    }
  }
  if (damaged === 0 && !json) console.log('nothing is damaged')
  return damaged === 0 || giveUp ? 0 : 1
}

async function chosenTopics(dir: string, name: string | undefined): Promise<readonly Topic[]> {
  const topics = await Promise.all(
    (name === undefined ? await listTopics(dir) : [name]).map((each) => readTopic(dir, each)),
  )
  if (name !== undefined && topics[0] === null) throw topicNotFound(dir, name)
  return topics.filter((topic) => topic !== null)
}

function rowOf({ topic, partition, offset, end, exact, file, bytePosition, bytes }: LogDamage, givenUp: boolean) {
  return { topic, partition, start: offset, end, exact, file, bytePosition, bytes, givenUp }
}

function textOf(damage: LogDamage, givenUp: boolean): string {
  const { topic, partition, offset, end, exact, file, bytePosition, bytes } = damage
  const lost = offset === end ? 'no offset' : `offsets [${offset}, ${end})${exact ? '' : ' at most'}`
  const fate = givenUp ? 'given up' : 'cannot be read'
  return `topic ${topic} partition ${partition}: ${lost} ${fate}: ${bytes} damaged bytes at byte ${bytePosition} of ${file}`
}

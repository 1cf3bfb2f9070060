/** `millrace produce`: lines of JSON, from a file or standard input, sent to a topic. */
import { createReadStream } from 'node:fs'
import { isTopicName } from '../../connectors/records/description.ts'
import { checkFiles, chunkBytes, type LineInput } from '../../connectors/records/lines.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { fieldPath, jsonLineReader } from '../../operators/parse/json-line.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { foldersOf } from '../folders.ts'
import { stoppedCode, stopping } from '../in-workspace.ts'
import { printRows } from '../output.ts'
import { type ProduceReport, produceLines } from '../produce-lines.ts'
import { type RefusedLines, refusedLines } from '../refused-lines.ts'
import { stopSignals } from '../stop-signals.ts'
import { openTopicProducer, type TopicProducer } from '../topic-producer.ts'

const standardInput = '-'

/** Lines that are not understood are reported, and make the exit code 1; all others are sent. */
export async function produce(context: CommandContext): Promise<number> {
  const { config, options, json } = context
  const [topic = '', file = ''] = context.arguments
  const path = keyPath(options.key, options.raw === true)
  if (!isTopicName(topic))
    throw usageError([
      `${JSON.stringify(topic)}: not a topic name (use letters, digits, '.', '_' and '-', at most 249)`,
    ])
  if (file !== standardInput) await checkFiles([file])
  const refused = refusedLines()
  const name = file === standardInput ? 'standard input' : file
  const stop = stopSignals(stopping)
  const producer = await openTopicProducer({
    logDir: foldersOf(config.dataDir).logDir,
    kafka: config.kafka,
    clock: systemClock,
    ids: systemIds,
  })
  try {
    const sending = sendAll(producer, () =>
      produceLines({
        topic,
        input: openInput(name, file),
        producer,
        read: options.raw === true ? null : jsonLineReader(path),
        onRefused: (line, message) => refused.add({ file: name, line, message }),
        clock: systemClock,
        signal: stop.stop,
        ...(typeof options.rate === 'number' ? { ratePerSecond: options.rate } : {}),
      }),
    )
    const sent = await stop.within(sending)
    return sent === null ? stoppedCode : finish(sent.value, refused)
  } finally {
    stop.dispose()
  }

  async function sendAll(producer: TopicProducer, send: () => Promise<ProduceReport>): Promise<ProduceReport> {
    try {
      await producer.createTopics([topic], config.partitions, 'as-configured')
      return await send()
    } finally {
      await producer.close()
    }
  }

  function finish({ ended, ...sent }: ProduceReport, refused: RefusedLines): number {
    const rows = json
      ? [{ topic, ...sent, refused: refused.count() }]
      : [{ sent: topic, records: sent.records, bytes: sent.bytes }]
    printRows(rows, { json, empty: '' })
    const code = refused.complain()
    if (ended === 'complete') return code
    console.error(`millrace: ${name}: ended after line ${sent.lastLine}`)
    if (typeof ended === 'object') throw ended.failed
    return file === standardInput ? code : stoppedCode // lines that may still come are nobody's loss
  }
}

/** The path of the field that is the key; null where records have none. */
function keyPath(key: unknown, raw: boolean): string | null {
  if (typeof key !== 'string') return null
  if (raw) throw usageError(['--raw: sends lines unread, and --key reads a field of each (leave one out)'])
  const path = fieldPath(key)
  if (path === null)
    throw usageError([
      `--key: must be a field (id), or a path to one (user.id, $.a['b.c']), not ${JSON.stringify(key)}`,
    ])
  return path
}

function openInput(name: string, file: string): LineInput {
  return {
    name,
    stream: file === standardInput ? process.stdin : createReadStream(file, { highWaterMark: chunkBytes }),
  }
}

/** Rules about `protocol` actions (PROTOCOL.md, "Protocol Evolution", "Table Features"). */
import { featureOf, hasFeature } from './features.ts'
import type { Report } from './finding.ts'
import { type Fields, fieldOf, textsOf } from './raw-action.ts'

const newest = { reader: 3, writer: 7 }

/** @param before the protocol up to now; null for the first */
export function checkProtocol(protocol: Fields, before: Fields | null, report: Report): void {
  const [reader, writer] = versionsOf(protocol)
  for (const [side, version, last] of [
    ['reader', reader, newest.reader],
    ['writer', writer, newest.writer],
  ] as const)
    if (!(version >= 1 && version <= last)) report('protocol-version', `there is no ${side} version ${version}`)
  if (reader === newest.reader && writer !== newest.writer)
    report('protocol-version', `reader version 3 comes with writer version 7, not ${writer}`)
  checkLists(protocol, report)
  if (before !== null) {
    const [readerBefore, writerBefore] = versionsOf(before)
    if (reader < readerBefore || writer < writerBefore)
      report('protocol-lowered', `versions ${readerBefore}, ${writerBefore} became ${reader}, ${writer}`)
  }
}

function versionsOf(protocol: Fields): [reader: number, writer: number] {
  return [Number(fieldOf(protocol, 'minReaderVersion')), Number(fieldOf(protocol, 'minWriterVersion'))]
}

function checkLists(protocol: Fields, report: Report): void {
  const [reader, writer] = versionsOf(protocol)
  for (const [list, version, needed] of [
    ['readerFeatures', reader, newest.reader],
    ['writerFeatures', writer, newest.writer],
  ] as const) {
    const listed = fieldOf(protocol, list) !== undefined
    // versions that do not exist have been told of
    if (version === needed && !listed) report('feature-lists', `version ${version} needs ${list}`)
    if (version < needed && listed) report('feature-lists', `version ${version} has no ${list}`)
    checkNames(list, textsOf(protocol, list), report)
  }
  if (writer !== newest.writer) return
  const [readers, writers] = [textsOf(protocol, 'readerFeatures'), textsOf(protocol, 'writerFeatures')]
  for (const name of new Set(readers)) {
    if (!writers.includes(name)) report('reader-feature', `${name} is in readerFeatures only`)
    if (featureOf(name)?.readers === false) report('reader-feature', `${name} is not for readers`)
  }
  for (const name of new Set(writers)) {
    const feature = featureOf(name)
    // reader version 2 is how column mapping was spelled before there were lists
    const impliedByReader = reader < newest.reader && reader >= (feature?.fromReader ?? newest.reader)
    if (feature?.readers === true && !readers.includes(name) && !impliedByReader)
      report('reader-feature', `${name} is for readers too, and is not in readerFeatures`)
    for (const need of feature?.needs ?? [])
      if (!hasFeature(protocol, need)) report('feature-dependency', `${name} needs ${need}`)
  }
}

function checkNames(list: string, names: readonly string[], report: Report): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) report('feature-twice', `${list} has ${name} twice`)
    else if (featureOf(name) === undefined) report('feature-unknown', `${list} has ${name}, which is no feature`)
    seen.add(name)
  }
}

/** One batch, from its input files into the transaction of a graph. */
import type { WriteCounts } from '../../../engine/contracts.ts'
import { skippedInGraph } from '../skipped.ts'
import { type GraphBatch, takeNodes } from './inputs.ts'
import { removeNodes, writeNodes } from './nodes.ts'
import {
  addRelationships,
  checkEnds,
  countRewritten,
  dropRelationships,
  type RelationshipChanges,
  takeRelationships,
} from './relationships.ts'
import { removeStubs, type StubCounts, takeStubs, writeStubs } from './stubs.ts'

/** All reading comes first, so that it sees nothing of what the batch writes. */
export async function writeBatch(given: GraphBatch): Promise<WriteCounts> {
  const batch = await takeNodes(given)
  const relationships = await takeRelationships(batch)
  const stubs = await takeStubs(batch, relationships)
  const ownersRewritten = await countRewritten(batch, relationships)
  await checkEnds(batch, relationships)

  await dropRelationships(batch, relationships)
  const removed = await removeNodes(batch)
  const nodesWritten = await writeNodes(batch)
  await writeStubs(batch, stubs)
  await addRelationships(batch, relationships)
  await removeStubs(batch, stubs)
  const stubCount = (what: keyof StubCounts) => stubs.reduce((sum, { counts }) => sum + counts[what], 0)
  return {
    nodesWritten,
    nodesRemoved: removed + stubCount('deleted') + stubCount('emptied'),
    relationshipsWritten: total(relationships, 'added'),
    relationshipsRemoved: total(relationships, 'dropped'),
    relationshipsUnchanged: total(relationships, 'unchanged'),
    ownersRewritten,
    stubsCreated: stubCount('created') + stubCount('emptied'),
    stubsRenamed: stubCount('renamed'),
    stubsRemoved: stubCount('removed'),
    ...skippedInGraph(batch.options, batch.outputs),
  }
}

function total(changes: readonly RelationshipChanges[], what: keyof RelationshipChanges['counts']): number {
  return changes.reduce((sum, { counts }) => sum + counts[what], 0)
}

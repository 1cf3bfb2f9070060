/**
 * The platform on a real change history, in small batches as a stream would see it: how many updates of titles led to writes
 * of relationships and vectors, and that a second run without new input writes nothing.
 *
 *   node checks/history.ts DATA_DIR HISTORY...
 */
import { batchLines, succeed } from './command.ts'

const [dataDir = '', ...files] = process.argv.slice(2)
await succeed(['simulate', ...files, '--data', dataDir])
const run = ['run', '--all', '--available-now', '--max-records', '150', '--data', dataDir]
const batches = batchLines(await succeed(run))
const sum = (layer: string, what: string): number =>
  batches
    .filter(
      ({ pipeline, outcome }) =>
        pipeline.startsWith(`${layer}-`) && !pipeline.endsWith('people') && outcome === 'committed',
    )
    .reduce((total, { written }) => total + (written[what] ?? 0), 0)
const updates = sum('silver', 'updated')
const relinked = sum('graph', 'ownersRewritten')
const embedded = sum('vectors', 'updated')
const share = (count: number): number => Math.round((1000 * count) / updates) / 10
const again = batchLines(await succeed(run)).filter(({ outcome }) => outcome !== 'stopped')
console.log(
  JSON.stringify({
    check: 'history',
    updates,
    titlesWithRelationshipsWritten: relinked,
    relationshipPercent: share(relinked),
    vectorsWritten: embedded,
    vectorPercent: share(embedded),
    batchesOfSecondRun: again.length,
  }),
)
const good = updates > 0 && share(relinked) <= 10 && share(embedded) <= 6 && again.length === 0
process.exit(good ? 0 : 1)

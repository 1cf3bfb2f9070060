import { expect, test } from 'vitest'
import { type HeldPosition, type OwnPosition, settled } from './positions.ts'

function held(next: bigint, txnId: string): HeldPosition {
  const rest = { pipeline: 'p', sourcePartition: 's', fingerprint: 'f', written: {}, totals: '{}', updatedAt: '' }
  return { ...rest, next, txnId }
}

const own = (last: HeldPosition | null, older: readonly string[] = [], begun: OwnPosition['begun'] = null) => ({
  last,
  older: new Set(older),
  begun,
})

test.each<
  readonly [what: string, shown: HeldPosition | undefined, own: OwnPosition | undefined, next: bigint | undefined]
>([
  ['nothing anywhere', undefined, undefined, undefined],
  ['a process that did nothing yet takes what it is shown', held(3n, 'a'), undefined, 3n],
  ['what was written here counts before it is shown', undefined, own(held(4n, 'mine')), 4n],
  [
    'what was written here counts while older is shown',
    held(3n, 'mine before'),
    own(held(4n, 'mine'), ['mine before']),
    4n,
  ],
  ['what was there before is older', held(3n, 'seen'), own(held(4n, 'mine'), ['seen']), 4n],
  ['what another wrote further on is not passed to', held(9n, 'other'), own(held(4n, 'mine')), 4n],
  ['what another wrote further back is gone back to', held(2n, 'other'), own(held(4n, 'mine')), 2n],
  ['a batch that was begun is not passed over', held(9n, 'other'), own(null, [], { start: 4n, txnId: 't' }), 4n],
  [
    'a batch that was begun is not passed over again',
    held(9n, 'a'),
    own(held(6n, 'mine'), ['a'], { start: 5n, txnId: 't' }),
    5n,
  ],
  [
    'a batch that was begun and whose answer got lost counts',
    held(5n, 't'),
    own(null, [], { start: 4n, txnId: 't' }),
    5n,
  ],
])('%s', (_, shown, known, next) => {
  expect(settled(shown, known)?.next).toBe(next)
})

import { expect, test } from 'vitest'
import type { Action } from './actions.ts'
import { findConflict } from './conflict.ts'
import type { TransactionReads } from './table.ts'
import { addAction, creation, removeAction, transaction, txnAction } from './tables.testing.ts'

const [protocol, metaData] = creation() as [Action, Action]

const winners: Record<string, readonly Action[]> = {
  nothing: [{ commitInfo: {} }],
  protocol: [protocol],
  metadata: [metaData],
  'my txn': [txnAction('mine', 7n)],
  'another txn': [txnAction('yours', 7n)],
  'matching add': [addAction('match-1')],
  'other add': [addAction('other-1')],
  'rewrite into a matching file': [addAction('match-1', { dataChange: false })],
  'remove of what I read': [removeAction('read')],
  'rewrite of what I read': [removeAction('read', false), addAction('match-2', { dataChange: false })],
  'remove of what I remove': [removeAction('removed')],
  'rewrite of what I remove': [removeAction('removed', false)],
  'remove of something else': [removeAction('elsewhere')],
}

const files: TransactionReads = {
  kind: 'files',
  files: new Set(['read', 'removed']),
  mayMatch: (added) => added.path.startsWith('match'),
}
const mine: Record<string, { actions: readonly Action[]; reads: TransactionReads }> = {
  append: { actions: [addAction('mine-1'), txnAction('mine', 1n)], reads: { kind: 'blind-append' } },
  merge: { actions: [addAction('mine-1'), removeAction('removed'), txnAction('mine', 1n)], reads: files },
  compaction: {
    actions: [addAction('mine-1', { dataChange: false }), removeAction('removed', false)],
    reads: { ...files, files: new Set(['removed']) },
  },
}

// the oracle: what must conflict, by hand; everything else must not
const conflicts: Record<string, readonly string[]> = {
  append: ['protocol', 'metadata', 'my txn'],
  merge: [
    'protocol',
    'metadata',
    'my txn',
    'matching add',
    'remove of what I read',
    'rewrite of what I read',
    'remove of what I remove',
    'rewrite of what I remove',
  ],
  compaction: ['protocol', 'metadata', 'remove of what I remove', 'rewrite of what I remove'],
}

for (const [name, { actions, reads }] of Object.entries(mine))
  test.each(Object.keys(winners))(`${name} against %s`, (what) => {
    const found = findConflict(transaction(null, actions, { reads }), [
      { version: 3n, actions: [addAction('unrelated')] },
      { version: 4n, actions: winners[what]! },
    ])
    if (conflicts[name]!.includes(what)) expect(found).toMatch(/in version 4$/)
    else expect(found).toBeNull()
  })

test('a winner before is asked by the first rule that any of them breaks', () => {
  const found = findConflict(transaction(null, mine.merge!.actions, { reads: files }), [
    { version: 3n, actions: winners['matching add']! },
    { version: 4n, actions: winners.protocol! },
  ])
  expect(found).toBe('the protocol was changed in version 4')
})

test('an absolute local path is the same file with and without its scheme', () => {
  const found = findConflict(transaction(null, [removeAction('file:///lake/t/a')]), [
    { version: 1n, actions: [removeAction('/lake/t/a')] },
  ])
  expect(found).toContain('/lake/t/a was removed, too')
})

test('a transaction that writes nothing stands on what it read all the same', () => {
  const mine = transaction(null, [], { reads: { kind: 'files', files: new Set(), mayMatch: () => true } })
  expect(findConflict(mine, [{ version: 7n, actions: [addAction('late')] }])).toMatch(/late was added/)
})

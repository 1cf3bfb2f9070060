import { expect, test } from 'vitest'
import type { SinkPosition } from '../engine/contracts.ts'
import { planRecovery } from './recovery.ts'

const at = (next: bigint | null, fingerprint: string | null = 'f'): SinkPosition => ({
  position: next === null ? new Map() : new Map([['t/0', next]]),
  fingerprint: next === null ? null : fingerprint,
})
const initial = new Map([['t/0', 0n]])

test('sinks that agree go on from where they are', () => {
  expect(planRecovery([at(7n), at(7n)], initial, 'f')).toEqual({ kind: 'settled', position: new Map([['t/0', 7n]]) })
  expect(planRecovery([at(null), at(null)], initial, 'f')).toEqual({ kind: 'settled', position: new Map() })
})

test('a half-finished batch is replayed only into the sinks that lack it', () => {
  expect(planRecovery([at(9n), at(5n), at(5n)], initial, 'f')).toEqual({
    kind: 'replay',
    ranges: [{ sourcePartition: 't/0', start: 5n, end: 9n }],
    sinks: [1, 2],
  })
})

test('a half-finished first batch begins at the configured start, offset 0 included', () => {
  expect(planRecovery([at(4n), at(null)], initial, 'f')).toEqual({
    kind: 'replay',
    ranges: [{ sourcePartition: 't/0', start: 0n, end: 4n }],
    sinks: [1],
  })
})

test('a batch half finished under another definition is not replayed by itself', () => {
  expect(planRecovery([at(9n, 'old'), at(5n, 'old')], initial, 'new').kind).toBe('refused')
  expect(planRecovery([at(9n, 'old'), at(null)], initial, 'new').kind).toBe('refused')
})

test('a sink added to the definition is filled from the beginning, on its own', () => {
  expect(planRecovery([at(null), at(9n, 'old')], initial, 'new')).toEqual({
    kind: 'replay',
    ranges: [{ sourcePartition: 't/0', start: 0n, end: 9n }],
    sinks: [0],
  })
})

test('a sink that is being filled goes on, whatever definition made the others', () => {
  expect(planRecovery([at(4n, 'new'), at(9n, 'old')], initial, 'new')).toEqual({
    kind: 'replay',
    ranges: [{ sourcePartition: 't/0', start: 4n, end: 9n }],
    sinks: [0],
  })
  expect(planRecovery([at(4n, 'old'), at(9n, 'old')], initial, 'new').kind).toBe('refused')
})

test('a batch that was half finished before the definition went back to what it was is not replayed by itself', () => {
  expect(planRecovery([at(9n, 'new'), at(4n, 'old')], initial, 'old').kind).toBe('refused')
  expect(planRecovery([at(9n, 'new'), at(4n, 'old'), at(4n, 'old')], initial, 'old').kind).toBe('refused')
})

test('sinks that lack different parts are caught up one group at a time', () => {
  const first = planRecovery([at(null), at(5n), at(9n)], initial, 'f')
  expect(first).toMatchObject({ kind: 'replay', sinks: [0] })
  const second = planRecovery([at(9n), at(5n), at(9n)], initial, 'f')
  expect(second).toMatchObject({ kind: 'replay', sinks: [1], ranges: [{ start: 5n, end: 9n }] })
})

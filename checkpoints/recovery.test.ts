import fc from 'fast-check'
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

test('what only the dead letters hold of another definition is taken back, and does not pin it', () => {
  expect(planRecovery([at(9n, 'old'), at(5n, 'old')], initial, 'new', 0)).toEqual({
    kind: 'undo',
    ranges: [{ sourcePartition: 't/0', start: 5n, end: 9n }],
    sinks: [1],
    ahead: [0],
  })
  expect(planRecovery([at(9n, 'old'), at(null), at(5n, 'old'), at(5n, 'old')], initial, 'new', 0)).toMatchObject({
    kind: 'replay', // the sink that was added is filled first
    sinks: [1],
  })
  expect(planRecovery([at(9n, 'old'), at(9n, 'new'), at(5n, 'old')], initial, 'new', 0).kind).toBe('undo')
  expect(planRecovery([at(9n, 'old'), at(9n, 'old'), at(5n, 'old')], initial, 'new', 0)).toMatchObject({
    kind: 'refused',
    sinks: [2],
    ahead: [0, 1],
  })
  expect(planRecovery([at(9n, 'new'), at(5n, 'old')], initial, 'new', 0).kind).toBe('replay')
})

/** A sink of the model: which definition judged each offset that it holds. */
type Held = string[]

const positionOf = (held: Held): SinkPosition => ({
  position: held.length === 0 ? new Map() : new Map([['t/0', BigInt(held.length)]]),
  fingerprint: held.at(-1) ?? null,
})

/** Runs until the sinks agree, or recovery is refused. */
function recover(sinks: Held[], definition: string): 'settled' | 'refused' {
  for (let turns = 0; turns < 100; turns += 1) {
    const plan = planRecovery(sinks.map(positionOf), initial, definition, 0)
    if (plan.kind === 'settled') return 'settled'
    if (plan.kind === 'refused') return 'refused'
    const { start, end } = plan.ranges[0]!
    for (const i of plan.kind === 'undo' ? plan.ahead : plan.sinks) {
      expect(sinks[i]).toHaveLength(Number(plan.kind === 'undo' ? end : start))
      if (plan.kind === 'undo') sinks[i]!.length = Number(start)
      else sinks[i]!.push(...Array.from({ length: Number(end - start) }, () => definition))
    }
  }
  throw new Error('recovery does not end')
}

const steps = fc.array(
  fc.record({
    definition: fc.constantFrom('a', 'b', 'c'),
    records: fc.integer({ min: 1, max: 5 }),
    /** How many of the sinks commit the batch. */
    sinks: fc.integer({ min: 0, max: 3 }),
  }),
  { maxLength: 12 },
)

test('whatever definition follows which, every offset is judged by one definition in all sinks, and a half batch is refused only if a sink beside the dead letters holds it', () => {
  fc.assert(
    fc.property(steps, (batches) => {
      const sinks: Held[] = [[], [], []]
      for (const { definition, records, sinks: committed } of batches) {
        const before = sinks.map((held) => [...held])
        if (recover(sinks, definition) === 'refused') {
          expect(before[1]!.length).toBeGreaterThan(before[2]!.length) // a data sink is ahead
          expect(before[1]!.at(-1)).not.toBe(definition)
          expect(sinks).toEqual(before)
          continue
        }
        expect(sinks[1]).toEqual(sinks[2])
        expect(sinks[0]).toEqual(sinks[2])
        for (const held of sinks.slice(0, committed)) held.push(...Array.from({ length: records }, () => definition))
      }
    }),
  )
})

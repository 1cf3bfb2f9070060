import fc from 'fast-check'
import { expect, test } from 'vitest'
import { defaultMemoryLimitBytes, leastMemoryLimitBytes, shareMemory } from './memory.ts'
import { openReservations } from './reservations.ts'

test('the shares of a process stay below its limit together, and grow with it', () => {
  const limits = fc.integer({ min: leastMemoryLimitBytes, max: 2 ** 40 })
  fc.assert(
    fc.property(limits, limits, (a, b) => {
      const [less, more] = [shareMemory(Math.min(a, b)), shareMemory(Math.max(a, b))]
      for (const share of Object.keys(less) as (keyof typeof less)[])
        expect(less[share]).toBeLessThanOrEqual(more[share])
      expect(less.duckdbBytes + less.graphBytes + less.workerHeapBytes).toBeLessThanOrEqual(Math.min(a, b))
      expect(less.batchBytes).toBeLessThan(less.duckdbBytes / 8)
    }),
  )
  expect(shareMemory(defaultMemoryLimitBytes).duckdbBytes).toBeGreaterThan(250 * 2 ** 20)
})

test('work waits for memory that other work has reserved, in turn, and never for ever', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 12 }), async (sizes) => {
      const reserve = openReservations(100)
      let [reserved, most] = [0, 0]
      const order: number[] = []
      await Promise.all(
        sizes.map((size, i) =>
          reserve(size, async () => {
            order.push(i)
            reserved += Math.min(size, 100)
            most = Math.max(most, reserved)
            for (let tick = 0; tick < 3; tick += 1) await Promise.resolve()
            reserved -= Math.min(size, 100)
          }),
        ),
      )
      expect(most).toBeLessThanOrEqual(100)
      expect(order).toEqual(sizes.map((_, i) => i))
    }),
  )
})

test('work that fails gives back what it has reserved', async () => {
  const reserve = openReservations(100)
  await expect(reserve(100, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await reserve(100, async () => 'next')).toBe('next')
})

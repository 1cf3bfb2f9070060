import { expect, test } from 'vitest'
import { gate } from './gate.ts'

test('at most so many at once, in order, and one that fails makes room', async () => {
  const through = gate(3)
  let inside = 0
  let most = 0
  const order: number[] = []
  const ends = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      through(async () => {
        order.push(i)
        inside += 1
        most = Math.max(most, inside)
        await new Promise((resolve) => setImmediate(resolve))
        inside -= 1
        if (i % 2 === 1) throw new Error('it failed')
        return i
      }),
    ),
  )
  expect(most).toBe(3)
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(10)
})

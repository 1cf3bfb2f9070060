import fc from 'fast-check'
import { expect, test } from 'vitest'
import { draftOf } from './layered-map.ts'

const change = fc.tuple(fc.nat(1500), fc.option(fc.nat()))

test('drafts of drafts equal a plain map, and leave what they came from alone', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.array(fc.array(change, { maxLength: 400 }), { maxLength: 6 }), (size, rounds) => {
      const model = new Map(Array.from({ length: size }, (_, i) => [i, -1]))
      let map: ReadonlyMap<number, number> = new Map(model)
      for (const changes of rounds) {
        const before = map
        const copy = [...before]
        const draft = draftOf(before)
        for (const [key, value] of changes) {
          if (value === null) draft.delete(key)
          else draft.set(key, value)
          if (value === null) model.delete(key)
          else model.set(key, value)
        }
        map = draft.finish()
        expect([...before]).toEqual(copy)
      }
      expect(map.size).toBe(model.size)
      expect(new Map(map)).toEqual(model)
      expect([...map.keys()].length).toBe(model.size)
      expect([...map.values()].sort()).toEqual([...model.values()].sort())
      const seen = new Map<number, number>()
      map.forEach((value, key) => {
        seen.set(key, value)
      })
      expect(seen).toEqual(model)
      for (let key = 0; key < 1500; key += 7) {
        expect(map.get(key)).toBe(model.get(key))
        expect(map.has(key)).toBe(model.has(key))
      }
    }),
  )
})

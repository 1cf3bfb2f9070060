import { expect, test } from 'vitest'
import { closestFirst } from './closest.ts'

test('what was probably meant comes first, in any case', () => {
  expect(closestFirst('titel', ['id', 'runtime', 'title', 'status'])[0]).toBe('title')
  expect(closestFirst('ID', ['title', 'id'])).toEqual(['id', 'title'])
  expect(closestFirst('', ['abc', 'a'])).toEqual(['a', 'abc'])
  expect(closestFirst('x', ['a', 'b'])).toEqual(['a', 'b'])
})

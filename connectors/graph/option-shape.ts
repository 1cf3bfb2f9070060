/** What the options of `graph({...})` look like. */
import { choiceOf, isObject, listOf, mapOf, objectOf, oneOfTexts, optional, text } from '../../engine/shape.ts'

const keyType = optional(oneOfTexts('long', 'string'))
const single = ['long', 'string', 'double', 'boolean', 'date', 'timestamp']
const ofNode = oneOfTexts(...single, 'string[]', 'long[]')

const relationship = objectOf({
  from: text,
  fromNode: text,
  toNode: text,
  fromKey: text,
  toKey: text,
  key: text,
  properties: mapOf(oneOfTexts(...single)),
})

/** Of `GraphOptions`. */
export const graphShape = objectOf({
  nodes: optional(mapOf(objectOf({ from: text, key: text, keyType, properties: mapOf(ofNode) }))),
  removeNodes: optional(mapOf(objectOf({ from: text, key: text }))),
  owners: optional(objectOf({ from: text, node: text, key: text })),
  relationships: optional(
    mapOf(
      choiceOf('a relationship, or a list of some', [
        { is: Array.isArray, shape: listOf(relationship, 1) },
        { is: isObject, shape: relationship },
      ]),
    ),
  ),
  stubs: optional(mapOf(objectOf({ key: text, keyType, name: optional(text), properties: optional(mapOf(ofNode)) }))),
  considered: optional(text),
})

/** What a graph description must keep to. Pure. */
import { MillraceError } from '../../engine/errors.ts'
import type { GraphOptions } from './description.ts'
import { relationshipsOf, type TypedRelationship } from './relationships.ts'

/** `DEFINITION_INVALID` with every problem of the description. */
export function checkGraph(options: GraphOptions): void {
  const problems = [
    ...namesOf(options).flatMap(checkName),
    ...relationshipsOf(options).flatMap((relationship) => checkRelationship(relationship, options)),
    ...Object.keys(options.stubs ?? {}).flatMap((label) => checkStub(label, options)),
    ...Object.keys(options.removeNodes ?? {}).flatMap((label) => checkRemoval(label, options)),
  ]
  if (problems.length === 0) return
  throw new MillraceError('DEFINITION_INVALID', `graph description is not valid: ${problems.join('; ')}`, { problems })
}

function namesOf({ nodes = {}, stubs = {}, ...rest }: GraphOptions): string[] {
  const properties = [...Object.values(nodes), ...Object.values(stubs), ...relationshipsOf(rest)]
  return [
    ...[...Object.keys(nodes), ...Object.keys(stubs)],
    ...relationshipsOf(rest).flatMap(({ type, fromNode, toNode }) => [type, fromNode, toNode]),
    ...properties.flatMap(({ key, properties: own = {} }) => [key, ...Object.keys(own)]),
  ]
}

function checkName(name: string): string[] {
  return /^[A-Za-z][A-Za-z0-9_]*$/.test(name) ? [] : [`${name} is no name (use letters, digits and _)`]
}

function checkRelationship(relationship: TypedRelationship, { owners, stubs = {} }: GraphOptions): string[] {
  const { type, fromNode, toNode, properties } = relationship
  const problems: string[] = []
  if (owners === undefined) problems.push(`relationship ${type} has no owners (name the step that gives them)`)
  else if (fromNode !== owners.node && toNode !== owners.node)
    problems.push(`relationship ${type} joins neither end to its owner ${owners.node}`)
  else if (stubs[owners.node] !== undefined) problems.push(`owner ${owners.node} cannot be a stub`)
  for (const [property, propertyType] of Object.entries(properties))
    if (propertyType.endsWith('[]')) problems.push(`relationship property ${type}.${property} cannot be a list`)
  return problems
}

function checkStub(label: string, { nodes = {}, stubs = {} }: GraphOptions): string[] {
  const [stub, own] = [stubs[label]!, nodes[label]]
  if (own === undefined || (own.key === stub.key && (own.keyType ?? 'long') === (stub.keyType ?? 'long'))) return []
  return [`label ${label} has two keys: ${own.key} as a node, ${stub.key} as a stub`]
}

function checkRemoval(label: string, { nodes = {}, stubs = {} }: GraphOptions): string[] {
  if (nodes[label] === undefined && stubs[label] === undefined) return [`label ${label} is removed but not declared`]
  if (stubs[label]?.properties === undefined) return []
  return [`label ${label} cannot be removed: its properties come from relationships`]
}

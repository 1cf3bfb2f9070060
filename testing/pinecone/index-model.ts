/** What an index is made with, and how the versions of the API describe it. Pure. */

/** An index, but for what is in it. */
export interface IndexModel {
  readonly name: string
  readonly dimension: number
  readonly metric: 'cosine' | 'dotproduct' | 'euclidean'
  readonly cloud: string
  readonly region: string
  readonly tags: Readonly<Record<string, string>>
  readonly deletionProtection: 'enabled' | 'disabled'
}

/** Thrown for what Pinecone answers with 400; the message is the body's. */
export class Refusal extends Error {}

/** A body of a request or an answer. */
export type Body = Readonly<Record<string, unknown>>

/** The first version that describes the vectors of an index as fields of a schema. */
const schemaVersion = '2026-07'

/** Versions of the API that are answered; the last is the newest. */
const knownVersions: ReadonlySet<string> = new Set(['2025-01', '2025-04', '2025-10', '2026-04', schemaVersion])

const vectorsField = '_values'

/** The version that a header asks for; without one, one that stays as it is. Throws {@link Refusal}. */
export function versionOf(header: string | undefined): string {
  const version = header ?? '2026-04'
  if (!knownVersions.has(version)) throw new Refusal(`API version ${version} is not supported`)
  return version
}

/** The index that a request to make one asks for. Throws {@link Refusal}. */
export function requestedIndex(body: Body, version: string): IndexModel {
  const { name, deletion_protection: deletionProtection = 'disabled', tags = {} } = body
  if (typeof name !== 'string' || !/^[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?$/.test(name))
    throw new Refusal(
      "Name must consist of lower case alphanumeric characters or '-', and start and end with an alphanumeric character",
    )
  const shape = version < schemaVersion ? flatShape(body) : schemaShape(body)
  const { dimension, metric = 'cosine', cloud, region } = shape
  if (!Number.isInteger(dimension) || Number(dimension) < 1 || Number(dimension) > 20_000)
    throw new Refusal(`dimension must be between 1 and 20000, got ${JSON.stringify(dimension)}`)
  if (metric !== 'cosine' && metric !== 'dotproduct' && metric !== 'euclidean')
    throw new Refusal(`metric must be cosine, dotproduct or euclidean, got ${JSON.stringify(metric)}`)
  if (typeof cloud !== 'string' || typeof region !== 'string') throw new Refusal('cloud and region must be given')
  return {
    name,
    dimension: Number(dimension),
    metric,
    cloud,
    region,
    tags: checkedTags(tags),
    deletionProtection: checkedProtection(deletionProtection),
  }
}

/** The index as a request to configure it leaves it. Throws {@link Refusal}. */
export function configuredIndex(model: IndexModel, body: Body): IndexModel {
  const { deletion_protection: deletionProtection = model.deletionProtection, tags = {}, ...rest } = body
  const other = Object.keys(rest)
  if (other.length > 0) throw new Refusal(`${other.join(', ')} cannot be configured`)
  const merged = { ...model.tags, ...checkedTags(tags) }
  return {
    ...model,
    tags: Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== '')), // empty removes
    deletionProtection: checkedProtection(deletionProtection),
  }
}

/** The index as an answer describes it. */
export function shownIndex(
  model: IndexModel,
  { version, host, ready }: { readonly version: string; readonly host: string; readonly ready: boolean },
): Body {
  const { name, dimension, metric, cloud, region, tags, deletionProtection } = model
  const always = {
    name,
    host,
    status: { ready, state: ready ? 'Ready' : 'Initializing' },
    deletion_protection: deletionProtection,
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
  }
  if (version < schemaVersion)
    return { ...always, dimension, metric, spec: { serverless: { cloud, region } }, vector_type: 'dense' }
  return {
    ...always,
    schema: { fields: { [vectorsField]: { type: 'dense_vector', dimension, metric } } },
    deployment: { deployment_type: 'managed', cloud, region },
    read_capacity: { mode: 'OnDemand', status: { state: 'Ready' } },
  }
}

interface Shape {
  readonly dimension?: unknown
  readonly metric?: unknown
  readonly cloud?: unknown
  readonly region?: unknown
}

function flatShape({ dimension, metric, spec }: Body): Shape {
  const { serverless } = object(spec, 'spec')
  return { dimension, metric, ...object(serverless, 'spec.serverless') }
}

function schemaShape({ schema, deployment }: Body): Shape {
  const { fields } = object(schema, 'schema')
  const { type, dimension, metric } = object(
    object(fields, 'schema.fields')[vectorsField],
    `schema.fields.${vectorsField}`,
  )
  if (type !== 'dense_vector') throw new Refusal('only indexes of dense vectors are emulated')
  const { deployment_type: kind, cloud, region } = object(deployment, 'deployment')
  if (kind !== 'managed') throw new Refusal('only managed deployments are emulated')
  return { dimension, metric, cloud, region }
}

function object(value: unknown, name: string): Body {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(`${name} must be an object`)
  return value as Body
}

function checkedTags(tags: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(object(tags, 'tags'))
  for (const [key, value] of entries)
    if (typeof value !== 'string' || key.length > 80 || value.length > 120)
      throw new Refusal(`tag ${key.slice(0, 80)}: keys have at most 80 characters, values are text of at most 120`)
  return Object.fromEntries(entries) as Record<string, string>
}

function checkedProtection(value: unknown): IndexModel['deletionProtection'] {
  if (value === 'enabled' || value === 'disabled') return value
  throw new Refusal('deletion_protection must be enabled or disabled')
}

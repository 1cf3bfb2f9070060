/** Silver to the knowledge graph. Relationships are written only for titles whose set of credits or links changed. */
import { type GraphOptions, type GraphRelationship, graph } from '../../connectors/index.ts'
import { definePipeline, every, type Pipeline, type SinkDescription, type Step } from '../../engine/index.ts'
import {
  coalesce,
  col,
  concat,
  type Expression,
  filter,
  flatten,
  isNotNull,
  latestByKey,
  list,
  lit,
  select,
  toText,
  yearOf,
} from '../../operators/index.ts'
import { after, changedSince, changeSteps, goneStep, netStep, silverChanges } from './changes.ts'
import { deadLetters } from './dead-letters.ts'
import { dateOfRelease, titleOf } from './embedding-text.ts'
import { type Kind, pipelineName } from './kinds.ts'
import { present } from './present.ts'
import { castKey, crewKey, isThing, personId } from './relationships.ts'

type TitleKind = Exclude<Kind, 'people'>

const label = { movies: 'Movie', tv_series: 'TvSeries' } as const

/** Node label, relationship type, and the document's column, of what titles of a kind link to. */
const links = {
  movies: [
    ['Genre', 'IN_GENRE', 'genres'],
    ['Company', 'MADE_BY', 'production_companies'],
    ['Keyword', 'HAS_KEYWORD', 'keywords'],
    ['Collection', 'PART_OF', 'belongs_to_collection'],
  ],
  tv_series: [
    ['Genre', 'IN_GENRE', 'genres'],
    ['Company', 'MADE_BY', 'production_companies'],
    ['Network', 'ON_NETWORK', 'networks'],
    ['Keyword', 'HAS_KEYWORD', 'keywords'],
  ],
} as const

/** Popularity and votes are left out on purpose: they change with nearly every update, and nobody walks along them. */
const titleProperties = {
  title: 'string',
  original_title: 'string',
  release_date: 'date',
  year: 'long',
  status: 'string',
  original_language: 'string',
} as const

/** Nodes and relationships of one kind. */
export function knowledgeGraph(kind: Kind): Pipeline {
  return definePipeline({
    name: pipelineName('graph', kind),
    description: `${kind} in the knowledge graph`,
    source: silverChanges(kind),
    steps: [
      netStep(),
      ...changeSteps(),
      consideredStep,
      ...goneSteps(),
      ...(kind === 'people' ? personSteps() : titleSteps(kind)),
    ],
    sink: kind === 'people' ? personSink() : titleSink(kind),
    deadLetters: deadLetters(kind),
    trigger: every({ seconds: 5 }),
  })
}

const consideredStep = select('considered', { id: col('id') }, { from: 'changes' })

function goneSteps(): Step[] {
  return [goneStep('gone-rows'), select('gone', { id: col('id') })]
}

const personProperties = ['known_for_department', 'birthday', 'deathday', 'place_of_birth'] as const

function personSteps(): Step[] {
  const properties = Object.fromEntries(personProperties.map((name) => [name, after(name)]))
  return [
    changedSince('changed', ['name', 'original_name', ...personProperties]),
    select('people', { id: col('id'), name: titleOf('people', after), ...properties }),
  ]
}

function personSink(): SinkDescription {
  const { name, known_for_department, place_of_birth } = {
    name: 'string',
    known_for_department: 'string',
    place_of_birth: 'string',
  } as const
  return graph({
    nodes: {
      Person: {
        from: 'people',
        key: 'id',
        properties: { name, known_for_department, place_of_birth, birthday: 'date', deathday: 'date' },
      },
    },
    removeNodes: { Person: { from: 'gone', key: 'id' } },
    stubs: { Person: { key: 'id', name: 'person_name' } },
    considered: 'considered',
  })
}

function titleSteps(kind: TitleKind): Step[] {
  return [
    changedSince('changed', nodeColumns(kind)),
    select('titles', titleNode(kind)),
    changedSince('relinked', ['relationship_fingerprint', 'reference_fingerprint']),
    select('owners', { id: col('id') }),
    ...creditSteps(kind),
    ...links[kind].flatMap(([node, , column]) => linkSteps(node, column)),
  ]
}

function nodeColumns(kind: TitleKind): readonly string[] {
  const own =
    kind === 'movies' ? ['title', 'original_title', 'release_date'] : ['name', 'original_name', 'first_air_date']
  return [...own, 'status', 'original_language']
}

function titleNode(kind: TitleKind): { readonly [name: string]: Expression } {
  return {
    id: col('id'),
    title: titleOf(kind, after),
    original_title: after(kind === 'movies' ? 'original_title' : 'original_name'),
    release_date: dateOfRelease(kind, after),
    year: yearOf(dateOfRelease(kind, after)),
    status: after('status'),
    original_language: after('original_language'),
  }
}

/** A guest without a person's id cannot be a node; a credit that stands twice is one relationship. */
function creditSteps(kind: TitleKind): Step[] {
  const role = (name: string): Expression => col(['credit', name])
  const person = { title_id: col('title_id'), person_id: role('id'), person_name: role('name') }
  const each = (name: string) => ({ list: after(`credits.${name}`), as: 'credit', keep: { title_id: col('id') } })
  const once = { key: ['title_id', 'credit_key'] }
  return [
    flatten('cast-list', each('cast'), { from: 'relinked' }),
    filter('cast-people', isNotNull(personId(col('credit')))),
    select('cast-rows', {
      ...person,
      credit_key: castKey(kind, col('title_id'), col('credit')),
      character: role('character'),
    }),
    latestByKey('cast', { ...once, order: ['person_id', 'person_name', 'character'] }),
    flatten('crew-list', each('crew'), { from: 'relinked' }),
    filter('crew-people', isNotNull(personId(col('credit')))),
    select('crew-rows', {
      ...person,
      credit_key: crewKey(kind, col('title_id'), col('credit')),
      department: role('department'),
      job: role('job'),
    }),
    latestByKey('crew', { ...once, order: ['person_id', 'person_name', 'department', 'job'] }),
  ]
}

/** One id may stand for two things under two names, so a node's key is both, as far as they are there. */
function linkSteps(node: string, column: string): Step[] {
  const what = node.toLowerCase()
  const one = after(column)
  const isOne = column === 'belongs_to_collection'
  const values = isOne ? list([one]) : one
  const name = present(col('link.name'))
  return [
    flatten(`${what}-list`, { list: values, as: 'link', keep: { title_id: col('id') } }, { from: 'relinked' }),
    filter(`${what}-known`, isThing(col('link'))),
    select(`${what}-rows`, {
      title_id: col('title_id'),
      key: concat(coalesce(toText(col('link.id')), ''), lit('|'), coalesce(name, '')),
      id: col('link.id'),
      name,
    }),
    latestByKey(what, { key: ['title_id', 'key'], order: ['id'] }),
  ]
}

function titleSink(kind: TitleKind): SinkDescription {
  const node = label[kind]
  const toTitle = { fromNode: 'Person', toNode: node, fromKey: 'person_id', toKey: 'title_id', key: 'credit_key' }
  const linkTypes = links[kind].map(([to, type]): [string, GraphRelationship] => [
    type,
    {
      from: to.toLowerCase(),
      fromNode: node,
      toNode: to,
      fromKey: 'title_id',
      toKey: 'key',
      key: 'key',
      properties: {},
    },
  ])
  const options: GraphOptions = {
    nodes: { [node]: { from: 'titles', key: 'id', properties: titleProperties } },
    removeNodes: { [node]: { from: 'gone', key: 'id' } },
    owners: { from: 'owners', node, key: 'id' },
    relationships: {
      ACTED_IN: { from: 'cast', ...toTitle, properties: { person_name: 'string', character: 'string' } },
      CREW_OF: { from: 'crew', ...toTitle, properties: { person_name: 'string', department: 'string', job: 'string' } },
      ...Object.fromEntries(linkTypes),
    },
    stubs: {
      Person: { key: 'id', name: 'person_name' },
      ...Object.fromEntries(
        links[kind].map(
          ([to]) => [to, { key: 'key', keyType: 'string', properties: { id: 'long', name: 'string' } }] as const,
        ),
      ),
    },
    considered: 'considered',
  }
  return graph(options)
}

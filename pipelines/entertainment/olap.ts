/** Silver to normalised tables for analysis. Every table is a function of silver; only rows that differ are written. */
import { olap } from '../../connectors/index.ts'
import { definePipeline, every, type Pipeline, type SinkDescription, type Step } from '../../engine/index.ts'
import {
  col,
  type Expression,
  filter,
  flatten,
  isNotNull,
  latestByKey,
  lit,
  nullIf,
  or,
  select,
  tryCast,
  yearOf,
} from '../../operators/index.ts'
import { after, changeSteps, netStep, silverChanges } from './changes.ts'
import { deadLetters } from './dead-letters.ts'
import { titleOf } from './embedding-text.ts'
import { type Kind, pipelineName } from './kinds.ts'
import { type Link, links } from './links.ts'
import { present } from './present.ts'
import { castKey, creditId, crewKey, isThing, personId, titleType } from './relationships.ts'

type TitleKind = Exclude<Kind, 'people'>

const titleOwner = { title_type: 'title_type', title_id: 'title_id' } as const

/** Tables for one kind: `movies`, `casts`, `crews`, `title_genres`, ..., or `people`. */
export function olapTables(kind: Kind): Pipeline {
  return definePipeline({
    name: pipelineName('olap', kind),
    description: `${kind} in normalised tables for analysis`,
    source: silverChanges(kind),
    steps: [netStep(), ...changeSteps(), ...(kind === 'people' ? personSteps() : titleSteps(kind))],
    sink: kind === 'people' ? personSink() : titleSink(kind),
    deadLetters: deadLetters(kind),
    trigger: every({ seconds: 5 }),
  })
}

function personSteps(): Step[] {
  return [
    select('touched', { person_id: col('id') }, { from: 'changes' }),
    select(
      'people',
      {
        id: after('id'),
        name: titleOf('people', after),
        ...columns(['original_name', 'gender', 'known_for_department', 'biography', 'birthday', 'deathday']),
        ...columns([
          'place_of_birth',
          'also_known_as',
          'homepage',
          'imdb_id',
          'profile_path',
          'popularity',
          'adult',
          'event_time',
        ]),
        birth_year: yearOf(after('birthday')),
        death_year: yearOf(after('deathday')),
      },
      { from: 'live' },
    ),
  ]
}

function personSink(): SinkDescription {
  return olap({ tables: { people: { from: 'people', key: ['id'], owner: { id: 'person_id' } } }, owners: 'touched' })
}

function titleSteps(kind: TitleKind): Step[] {
  return [
    select('touched', { title_type: lit(titleType(kind)), title_id: col('id') }, { from: 'changes' }),
    select(kind, titleColumns(kind), { from: 'live' }),
    ...creditSteps(kind),
    ...links[kind].flatMap((link) => linkSteps(kind, link)),
    ...(kind === 'movies' ? collectionSteps() : seasonSteps()),
  ]
}

function titleSink(kind: TitleKind): SinkDescription {
  const linkTables = links[kind].map(({ table, key }) => {
    return [table, { from: table, key: ['title_type', 'title_id', ...key], owner: titleOwner }] as const
  })
  const credit = { key: ['title_type', 'title_id', 'credit_key'], owner: titleOwner }
  return olap({
    tables: {
      [kind]: { from: kind, key: ['id'], owner: { id: 'title_id' } },
      casts: { from: 'casts', ...credit },
      crews: { from: 'crews', ...credit },
      ...Object.fromEntries(linkTables),
      ...(kind === 'movies'
        ? { movie_collections: { from: 'movie_collections', key: ['title_id'], owner: { title_id: 'title_id' } } }
        : {
            seasons: {
              from: 'seasons',
              key: ['title_id', 'season_number', 'season_id'],
              owner: { title_id: 'title_id' },
            },
          }),
    },
    owners: 'touched',
    views: views(kind),
  })
}

function views(kind: TitleKind): { readonly [view: string]: { readonly sql: string } } {
  const ofLinks = links[kind].flatMap(({ table, view }) => {
    if (view === null) return []
    const columns = Object.entries(view.columns).map(([name, column]) => `${column} AS ${name}`)
    return [[view.name, { sql: `SELECT DISTINCT ${columns.join(', ')} FROM ${table}` }] as const]
  })
  const own =
    kind === 'movies'
      ? { collections: { sql: 'SELECT DISTINCT collection_id AS id, collection_name AS name FROM movie_collections' } }
      : { creators: { sql: creators } }
  return { ...Object.fromEntries(ofLinks), ...own }
}

/** Who created a series stands among its crew. */
const creators = `SELECT title_id, person_id, person_name FROM crews
  WHERE title_type = 'tv_series' AND department = 'Creation' AND job = 'Creator'`

function columns(names: readonly string[]): { readonly [name: string]: Expression } {
  return Object.fromEntries(names.map((name) => [name, after(name)]))
}

function titleColumns(kind: TitleKind): { readonly [name: string]: Expression } {
  const shared = [
    'overview',
    'tagline',
    'status',
    'certification',
    'original_language',
    'popularity',
    'vote_average',
    'vote_count',
  ]
  const rest = ['homepage', 'imdb_id', 'poster_path', 'backdrop_path', 'adult', 'event_time']
  return kind === 'movies'
    ? {
        id: after('id'),
        title: titleOf(kind, after),
        ...columns(['original_title', ...shared, 'release_date']),
        release_year: yearOf(after('release_date')),
        ...columns(['runtime', 'budget', 'revenue', ...rest, 'video']),
      }
    : {
        id: after('id'),
        name: titleOf(kind, after),
        ...columns(['original_name', 'type', ...shared, 'first_air_date', 'last_air_date']),
        first_air_year: yearOf(after('first_air_date')),
        ...columns(['in_production', 'number_of_seasons', 'number_of_episodes', ...rest]),
      }
}

/** Credits by their own key: one person may hold several in one title, and a list may hold one twice. */
function creditSteps(kind: TitleKind): Step[] {
  const role = (name: string): Expression => col(['credit', name])
  const person = {
    title_type: lit(titleType(kind)),
    title_id: col('title_id'),
    person_id: personId(col('credit')),
    person_name: role('name'),
    original_name: role('original_name'),
    gender: role('gender'),
    known_for_department: role('known_for_department'),
    credit_id: creditId(col('credit')),
  }
  const each = (list: string) => ({ list: after(`credits.${list}`), as: 'credit', keep: { title_id: col('id') } })
  const once = { key: ['title_type', 'title_id', 'credit_key'] }
  const same = ['original_name', 'gender', 'known_for_department'] // of two credits that are one, always the same one stays
  return [
    flatten('cast-list', each('cast'), { from: 'live' }),
    select('cast-rows', {
      ...person,
      credit_key: castKey(kind, col('title_id'), col('credit')),
      character: role('character'),
      cast_id: role('cast_id'),
      order: role('order'),
    }),
    latestByKey('casts', { ...once, order: ['order', 'person_id', 'person_name', 'character', 'cast_id', ...same] }),
    flatten('crew-list', each('crew'), { from: 'live' }),
    select('crew-rows', {
      ...person,
      credit_key: crewKey(kind, col('title_id'), col('credit')),
      department: role('department'),
      job: role('job'),
    }),
    latestByKey('crews', { ...once, order: ['person_id', 'person_name', 'department', 'job', ...same] }),
  ]
}

function linkSteps(kind: TitleKind, { what, list, table, columns, key }: Link): Step[] {
  const rest = Object.keys(columns).filter((column) => !key.includes(column))
  return [
    flatten(`${what}-list`, { list: after(list), as: 'link', keep: { title_id: col('id') } }, { from: 'live' }),
    select(`${what}-rows`, { title_type: lit(titleType(kind)), title_id: col('title_id'), ...columns }),
    filter(`${what}-known`, or(...key.map((column) => isNotNull(col(column))))),
    latestByKey(table, { key: ['title_type', 'title_id', ...key], order: rest.length === 0 ? key : rest }),
  ]
}

/** A movie belongs to one collection or to none. */
function collectionSteps(): Step[] {
  return [
    filter('in-collection', isThing(after('belongs_to_collection')), { from: 'live' }),
    select('movie_collections', {
      title_id: col('id'),
      collection_id: after('belongs_to_collection.id'),
      collection_name: present(after('belongs_to_collection.name')),
    }),
  ]
}

function seasonSteps(): Step[] {
  return [
    flatten('season-list', { list: after('seasons'), as: 'season', keep: { title_id: col('id') } }, { from: 'live' }),
    select('season-rows', {
      title_id: col('title_id'),
      season_number: col('season.season_number'),
      season_id: col('season.id'),
      name: col('season.name'),
      episode_count: col('season.episode_count'),
      air_date: tryCast(nullIf(col('season.air_date'), ''), 'date'),
      overview: col('season.overview'),
      poster_path: col('season.poster_path'),
      vote_average: col('season.vote_average'),
    }),
    latestByKey('seasons', {
      key: ['title_id', 'season_number', 'season_id'],
      order: ['air_date', 'episode_count', 'name'],
    }),
  ]
}

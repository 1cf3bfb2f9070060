/** Lists of a title's document that become tables of links, and what they link to as views. */
import { coalesce, col, type Expression } from '../../operators/index.ts'
import type { Kind } from './kinds.ts'
import { present } from './present.ts'

/** One list of a document. */
export interface Link {
  /** Begins the names of its steps. */
  readonly what: string
  /** The list's column in silver. */
  readonly list: string
  readonly table: string
  /** Columns of the table, each read from an element. */
  readonly columns: { readonly [column: string]: Expression }
  /**
   * Those that tell two elements of a title apart. One id may stand for two things under two names, so a thing is its id and its name. An
   * element that has none of them is nothing.
   */
  readonly key: readonly string[]
  /** What all titles link to, once each: the view's name and its columns, each from one of the table; null for none. */
  readonly view: { readonly name: string; readonly columns: { readonly [column: string]: string } } | null
}

const element = (...path: string[]): Expression => col(['link', ...path])

function named(what: string, plural: string, list: string, more: Link['columns'] = {}): Link {
  const [id, name] = [`${what}_id`, `${what}_name`]
  return {
    what,
    list,
    table: `title_${plural}`,
    columns: { [id]: element('id'), [name]: present(element('name')), ...more },
    key: [id, name],
    view: { name: plural, columns: { id, name } },
  }
}

const genres = named('genre', 'genres', 'genres')
const companies = named('company', 'companies', 'production_companies', { origin_country: element('origin_country') })
const networks = named('network', 'networks', 'networks', { origin_country: element('origin_country') })
const keywords = named('keyword', 'keywords', 'keywords')

const countries: Link = {
  what: 'country',
  list: 'production_countries',
  table: 'title_countries',
  columns: { country_code: present(element('iso_3166_1')), country_name: present(element('name')) },
  key: ['country_code', 'country_name'],
  view: { name: 'countries', columns: { code: 'country_code', name: 'country_name' } },
}

const languages: Link = {
  what: 'language',
  list: 'spoken_languages',
  table: 'title_languages',
  columns: {
    language_code: present(element('iso_639_1')),
    language_name: coalesce(present(element('english_name')), present(element('name'))),
    own_name: element('name'),
  },
  key: ['language_code', 'language_name'],
  view: { name: 'languages', columns: { code: 'language_code', name: 'language_name' } },
}

/** Where a series comes from, which need not be where it is made. */
const origins: Link = {
  what: 'origin',
  list: 'origin_country',
  table: 'title_origin_countries',
  columns: { country_code: present(element()) },
  key: ['country_code'],
  view: null,
}

/** The lists of a kind. */
export const links: { readonly [K in Exclude<Kind, 'people'>]: readonly Link[] } = {
  movies: [genres, companies, keywords, countries, languages],
  tv_series: [genres, companies, networks, keywords, countries, languages, origins],
}

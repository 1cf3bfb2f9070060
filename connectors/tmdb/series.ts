/** Documents of `/3/tv/{id}` with `credits`, `keywords` and for some `aggregate_credits` appended. */
import { type Catalogue, personFields, pickPerson, type Title } from './catalogue.ts'
import { aggregateCreditsOf, creditId, creditsOf } from './credits.ts'
import type { TmdbDocument } from './event.ts'
import { seriesGenres } from './genres.ts'
import { type Random, randomOf } from './random.ts'
import {
  companiesOf,
  countries,
  detailVersions,
  genresOf,
  keywordsOf,
  languages,
  picture,
  plainGenres,
  releaseDate,
  type TitleVersions,
  textsOf,
  votesOf,
} from './title-document.ts'
import { imagePath, overview } from './words.ts'

const details = ['poster', 'backdrop', 'homepage', 'keywords', 'episodes'] as const
const certifications = ['TV-G', 'TV-PG', 'TV-14', 'TV-MA', null]
const networks = ['Harbour One', 'Channel Vesper', 'Northlight', 'TV Meridian', 'Kestrel+', 'Radio Vila', 'Onda 7']

/** A series after so many changes; `changes` counts all of them. */
export function seriesDocument(
  catalogue: Catalogue,
  title: Title,
  versions: TitleVersions,
  changes: number,
): TmdbDocument {
  const random = randomOf(catalogue.seed, 'series', title.index)
  const genres = genresOf(catalogue, title, versions.genres, seriesGenres)
  const texts = textsOf(catalogue, title, versions, genresOf(catalogue, title, 0, seriesGenres))
  const detail = detailVersions(catalogue, title, versions.details, details)
  const country = random.pick(countries)
  const language = random.pick(languages)
  const running = random.chance(0.35)
  const certification = random.pick(certifications)
  const firstAirDate = releaseDate(random)
  const seasons = seasonsOf(catalogue, title, random, { firstAirDate, moreEpisodes: detail.episodes })
  const last = seasons.at(-1)!
  const episodes = seasons.reduce((sum, season) => sum + season.episode_count, 0)
  const credits = creditsOf(catalogue, title, versions)
  return {
    adult: false,
    backdrop_path: picture(catalogue, title, 'backdrop', detail.backdrop),
    ...(versions.certification > 0 ? { certification } : {}),
    created_by: creatorsOf(catalogue, title),
    episode_run_time: random.chance(0.5) ? [random.between(20, 70)] : [],
    first_air_date: firstAirDate,
    genres: plainGenres(genres),
    homepage: detail.homepage > 0 ? `https://series.example/${title.id}/${detail.homepage}` : '',
    id: title.id,
    in_production: running,
    languages: [language[0]],
    last_air_date: last.air_date,
    last_episode_to_air: episodeOf(title, last, random, genres),
    name: texts.name,
    networks: [networkOf(catalogue, random)],
    next_episode_to_air: null,
    number_of_episodes: episodes,
    number_of_seasons: seasons.length,
    origin_country: [country[0]],
    original_language: language[0],
    original_name: texts.originalName,
    overview: texts.overview,
    ...votesOf(catalogue, title, changes),
    poster_path: picture(catalogue, title, 'poster', detail.poster),
    production_companies: companiesOf(catalogue, random, 2),
    production_countries: [{ iso_3166_1: country[0], name: country[1] }],
    seasons,
    spoken_languages: [{ english_name: language[1], iso_639_1: language[0], name: language[2] }],
    status: running ? 'Returning Series' : random.pick(['Ended', 'Ended', 'Canceled']),
    tagline: texts.tagline,
    type: random.pick(['Scripted', 'Scripted', 'Scripted', 'Miniseries', 'Documentary', 'Talk Show']),
    credits,
    ...(random.chance(0.4) ? { aggregate_credits: aggregateCreditsOf(catalogue, title, credits) } : {}),
    keywords: { results: keywordsOf(catalogue, title, detail.keywords) },
  }
}

interface Season {
  readonly air_date: string | null
  readonly episode_count: number
  readonly id: number
  readonly name: string
  readonly overview: string
  readonly poster_path: string | null
  readonly season_number: number
  readonly vote_average: number
}

/** A season a year from the first date on; new episodes join the last season. */
function seasonsOf(
  catalogue: Catalogue,
  title: Title,
  random: Random,
  { firstAirDate, moreEpisodes }: { readonly firstAirDate: string; readonly moreEpisodes: number },
): readonly Season[] {
  const count = 1 + Math.floor(8 * random.next() ** 2.5)
  return Array.from({ length: count }, (_, i) => {
    const its = randomOf(catalogue.seed, 'season', title.index, i)
    const year = Number(firstAirDate.slice(0, 4)) + i
    return {
      air_date: firstAirDate === '' ? null : `${year}${firstAirDate.slice(4)}`,
      episode_count: its.between(4, 24) + (i === count - 1 ? moreEpisodes : 0),
      id: 100 * title.id + i,
      name: `Season ${i + 1}`,
      overview: '',
      poster_path: its.chance(0.6) ? imagePath(its) : null,
      season_number: i + 1,
      vote_average: its.int(100) / 10,
    }
  })
}

function episodeOf(
  title: Title,
  season: Season,
  random: Random,
  genres: Parameters<typeof overview>[1],
): Record<string, unknown> {
  return {
    air_date: season.air_date,
    episode_number: season.episode_count,
    id: 100_000 * title.id + season.season_number,
    name: `Episode ${season.episode_count}`,
    overview: overview(random, genres),
    season_number: season.season_number,
    show_id: title.id,
    still_path: null,
  }
}

function networkOf(catalogue: Catalogue, random: Random): Record<string, unknown> {
  const index = Math.floor(networks.length * random.next() ** 2)
  const its = randomOf(catalogue.seed, 'network', index)
  return {
    id: 40 + index,
    logo_path: its.chance(0.8) ? imagePath(its) : null,
    name: networks[index],
    origin_country: its.pick(countries)[0],
  }
}

function creatorsOf(catalogue: Catalogue, title: Title): readonly Record<string, unknown>[] {
  const random = randomOf(catalogue.seed, 'creators', title.index)
  const people = new Set<number>()
  for (let left = random.int(3); left > 0; left -= 1) people.add(pickPerson(catalogue, random))
  return [...people].map((person, i) => {
    const { id, name, original_name, gender, profile_path } = personFields(catalogue, person)
    // Numbers far above those of the crew, which share the form of the id.
    const credit_id = creditId(catalogue, title, { kind: 'crew', number: 1_000_000 + i })
    return { id, credit_id, name, original_name, gender, profile_path }
  })
}

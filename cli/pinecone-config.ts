/** How Pinecone is reached, from environment and file. Nothing of it reaches a message but what is no secret. */
import type { PineconeSettings } from '../connectors/pinecone/settings.ts'
import type { Problem, Setting } from './setting.ts'

/** Empty counts as not given. */
export const pineconeSettings = {
  apiKey: { key: 'pineconeApiKey', variable: 'PINECONE_API_KEY', fallback: '', read: readKey },
  index: { key: 'pineconeIndex', variable: 'PINECONE_INDEX', fallback: 'millrace', read: readName },
  controllerHost: {
    key: 'pineconeControllerHost',
    variable: 'PINECONE_CONTROLLER_HOST',
    fallback: null,
    read: readHost,
  },
  cloud: { key: 'pineconeCloud', variable: 'PINECONE_CLOUD', fallback: 'aws', read: readCloud },
  region: {
    key: 'pineconeRegion',
    variable: 'PINECONE_REGION',
    fallback: 'us-east-1',
    read: (text: string) => (text === '' ? 'us-east-1' : text),
  },
} satisfies { readonly [name: string]: Setting<unknown> }

/** Null without a key: the embedded store keeps the vectors. What is wrong with the others is told all the same. */
export function readPinecone(value: <T>(setting: Setting<T>) => T): PineconeSettings | null {
  const s = pineconeSettings
  const settings = {
    apiKey: value(s.apiKey),
    index: value(s.index),
    controllerHost: value(s.controllerHost as Setting<string | null>),
    cloud: value(s.cloud),
    region: value(s.region),
  }
  return settings.apiKey === '' ? null : settings
}

function readKey(text: string): string | Problem {
  return /^[\x21-\x7e]*$/.test(text) ? text : { problem: 'must have no spaces and only ASCII characters', secret: true }
}

function readName(text: string): string | Problem {
  if (text === '') return 'millrace'
  return /^[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?$/.test(text)
    ? text
    : { problem: 'must be 1 to 45 lower case letters, digits and -, beginning and ending with a letter or digit' }
}

function readHost(text: string): string | null | Problem {
  if (text === '') return null
  const url = URL.canParse(text) ? new URL(text) : null
  if (text.includes('@') || url?.search) return { problem: 'must be http:// or https://, host and port', secret: true }
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
    ? text.replace(/\/+$/, '')
    : { problem: 'must be http:// or https://, host and port' }
}

function readCloud(text: string): string | Problem {
  if (text === '') return 'aws'
  return ['aws', 'gcp', 'azure'].includes(text) ? text : { problem: 'must be aws, gcp or azure' }
}

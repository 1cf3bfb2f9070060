/** The settings that say which model answers `ask`. */
import { readKey, readServiceUrl, type Setting } from './setting.ts'

/** A model behind an endpoint that speaks OpenAI's chat protocol. */
export interface ChatSettings {
  /** What comes before `/chat/completions`. */
  readonly url: string
  readonly model: string
  /** A secret; null: none is sent. */
  readonly apiKey: string | null
}

/** Empty counts as not given. */
export const chatSettings = {
  url: { key: 'chatUrl', variable: 'MILLRACE_CHAT_URL', fallback: '', read: readServiceUrl('MILLRACE_CHAT_API_KEY') },
  model: { key: 'chatModel', variable: 'MILLRACE_CHAT_MODEL', fallback: '', read: (text: string) => text },
  apiKey: { key: 'chatApiKey', variable: 'MILLRACE_CHAT_API_KEY', fallback: null, read: readKey },
} satisfies { readonly [name: string]: Setting<unknown> }

/** Null where no address is named: passages are shown as they are. */
export function readChat(value: <T>(setting: Setting<T>) => T, problems: string[]): ChatSettings | null {
  const s = chatSettings
  const url = value(s.url as Setting<string>)
  const model = value<string>(s.model)
  const apiKey = value(s.apiKey as Setting<string | null>)
  if (url === '') return null
  if (model === '') problems.push(`${s.model.variable}: must be given with ${s.url.variable}`)
  return { url, model, apiKey }
}

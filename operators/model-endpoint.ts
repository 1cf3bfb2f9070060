/** Requests to models behind HTTP endpoints: one JSON document there, one back, tried again where that may help. */
import type { Clock, Ids } from '../engine/contracts.ts'
import { MillraceError, messageOf } from '../engine/errors.ts'
import { redacted } from '../engine/redact.ts'
import { retryDelayMs } from '../engine/retry.ts'

/** An endpoint, and what it is asked with. */
export interface ModelEndpoint {
  /** What comes before the path of a request. */
  readonly url: string
  /** A secret; null: none is sent. It is in no error. */
  readonly apiKey: string | null
  /** For messages: `embedding endpoint`. */
  readonly name: string
  /** Prefix of the settings that reach it, for messages: `EMBEDDING`. */
  readonly settings: string
  readonly clock: Clock
  readonly ids: Pick<Ids, 'random'>
  /** After which a request that has not been answered whole is ended. Default 60 s. */
  readonly deadlineMs?: number
  /** Default six tries, waiting at most 20 s between two if the endpoint does not ask for more. */
  readonly attempts?: number
}

const defaultDeadlineMs = 60_000
const defaultAttempts = 6
/** An endpoint that asks for a longer pause is left to the caller. */
const longestPauseMs = 60_000

/**
 * The answer to one POST. Requests that fail for what may pass (no connection, no answer in time, 408, 429, 5xx) are sent again after
 * a pause: what `Retry-After` says, else exponential with jitter. Errors: `MODEL_UNREACHABLE` (retryable) once the tries are used up,
 * `MODEL_REFUSED` (key, path, model), `MODEL_FAILED` (the request or its answer is wrong); an abort rejects with its reason.
 */
export async function postToModel(
  endpoint: ModelEndpoint,
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const attempts = endpoint.attempts ?? defaultAttempts
  const backoff = { firstDelayMs: 500, maxDelayMs: 20_000 }
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    const outcome = await send(endpoint, path, body, signal)
    if (outcome.kind === 'answered') return outcome.document
    signal?.throwIfAborted()
    const { error, pauseMs } = outcome
    if (!error.retryable || attempt >= attempts || (pauseMs ?? 0) > longestPauseMs) throw error
    const delayMs = retryDelayMs(backoff, attempt, endpoint.ids.random())
    await endpoint.clock.sleep(Math.max(pauseMs ?? 0, delayMs), signal)
  }
}

type Outcome =
  | { readonly kind: 'answered'; readonly document: unknown }
  | { readonly kind: 'failed'; readonly error: MillraceError; readonly pauseMs: number | null }

async function send(endpoint: ModelEndpoint, path: string, body: unknown, signal?: AbortSignal): Promise<Outcome> {
  const { url, apiKey, clock, deadlineMs = defaultDeadlineMs } = endpoint
  const late = new AbortController()
  const done = new AbortController()
  void clock.sleep(deadlineMs, done.signal).then(() => late.abort())
  try {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      redirect: 'manual', // the key is for this address alone
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    })
    const text = await response.text()
    if (response.ok) return parsed(endpoint, text)
    const error = refusal(endpoint, response.status, said(text, apiKey))
    return { kind: 'failed', error, pauseMs: pauseOf(response.headers.get('retry-after'), clock.nowMs()) }
  } catch (cause) {
    const what = late.signal.aborted
      ? `has not answered within ${deadlineMs / 1000} s`
      : `cannot be reached: ${why(cause)}`
    return { kind: 'failed', error: unreachable(endpoint, what), pauseMs: null }
  } finally {
    done.abort()
  }
}

function parsed(endpoint: ModelEndpoint, text: string): Outcome {
  try {
    return { kind: 'answered', document: JSON.parse(text) as unknown }
  } catch {
    return { kind: 'failed', error: wrongAnswer(endpoint, 'is not JSON'), pauseMs: null }
  }
}

/** What is wrong with an answer that was asked for rightly. */
export function wrongAnswer(endpoint: ModelEndpoint, what: string): MillraceError {
  return new MillraceError(
    'MODEL_FAILED',
    `${where(endpoint)}: its answer ${what} (it must speak OpenAI's protocol: check ${endpoint.settings}_URL)`,
  )
}

function refusal(endpoint: ModelEndpoint, status: number, words: string): MillraceError {
  const { settings } = endpoint
  const context = { status }
  const tail = words === '' ? '' : `: ${words}`
  if (status === 408 || status === 429 || status >= 500) return unreachable(endpoint, `answered ${status}${tail}`)
  if (status === 401 || status === 403)
    return new MillraceError(
      'MODEL_REFUSED',
      `${where(endpoint)} does not let us in: it answered ${status}${tail} (check ${settings}_API_KEY)`,
      { context },
    )
  if (status < 400 || status === 404 || status === 405)
    return new MillraceError(
      'MODEL_REFUSED',
      `${where(endpoint)} answered ${status}${tail} (check ${settings}_URL and the model's name)`,
      { context },
    )
  return new MillraceError('MODEL_FAILED', `${where(endpoint)} answered ${status}${tail}`, { context })
}

function unreachable(endpoint: ModelEndpoint, what: string): MillraceError {
  return new MillraceError(
    'MODEL_UNREACHABLE',
    `${where(endpoint)} ${what} (check ${endpoint.settings}_URL, or wait until it answers again)`,
    { retryable: true },
  )
}

function where({ name, url }: ModelEndpoint): string {
  return `${name} ${url}`
}

/** `fetch` hides the reason in causes. */
function why(error: unknown): string {
  let deepest = error
  while (deepest instanceof Error && deepest.cause !== undefined) deepest = deepest.cause
  const code = deepest instanceof Error && 'code' in deepest ? String(deepest.code) : ''
  return messageOf(deepest) || code || messageOf(error)
}

const mostWords = 300

/** The endpoint's own words, on one line, short, without the key. */
function said(text: string, apiKey: string | null): string {
  let words = text
  try {
    const { error, message } = JSON.parse(text) as { error?: { message?: unknown } | string; message?: unknown }
    const found = (typeof error === 'object' ? error?.message : error) ?? message
    if (typeof found === 'string') words = found
  } catch {
    // then as it is
  }
  const line = redacted(words, [apiKey])
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  return line.length <= mostWords ? line : `${line.slice(0, mostWords - 1)}…`
}

/** `Retry-After`: seconds, or a date. */
function pauseOf(header: string | null, nowMs: number): number | null {
  if (header === null) return null
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000
  const dateMs = Date.parse(header)
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs)
}

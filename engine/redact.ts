/** Texts of other programs, without the secrets that they may repeat. */

const mask = '***'

/** Header names whose values are credentials, as `name: value`, `name=value` or in JSON. A scheme (`Basic`, `Bearer`) stays. */
const credentialHeader =
  /((?:proxy-)?authorization|x-clickhouse-key|x-api-key|api-key|x-amz-security-token|cookie)(\\?["']?\s*[:=]\s*\\?["']?)((?:basic|bearer|digest|aws4-hmac-sha256)\s+)?[^\s"'\\,;<>]+/gi

/**
 * The text with `***` in place of every secret, however a program may have written it: as it is, in JSON, in a URL, or in Base64
 * (also behind a user name, as HTTP's basic authentication sends it). Values of headers that carry credentials go, whatever they are.
 * Redact first and shorten afterwards: half a secret is not found.
 */
export function redacted(text: string, secrets: readonly (string | null | undefined)[]): string {
  let shown = text.replace(credentialHeader, `$1$2$3${mask}`)
  for (const secret of secrets) {
    if (!secret) continue
    for (const form of formsOf(secret)) shown = shown.replaceAll(form, mask)
  }
  return shown
}

/** Longest first, so that no form leaves a part of another behind. */
function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1)
  const form = new URLSearchParams({ s: secret }).toString().slice(2)
  const forms = new Set([secret, json, encodeURIComponent(secret), form, ...base64Forms(secret)])
  return [...forms].sort((a, b) => b.length - a.length)
}

/** What is the same of a secret's Base64 whatever stands before and behind it: one text for each of the three ways to begin. */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret)
  if (bytes.length < 6) return [] // too little is left of it to be told from other text
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const start = before === 0 ? 0 : before + 1
    const end = Math.floor(((before + bytes.length) * 8) / 6)
    const whole = encoded.slice(start, end)
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

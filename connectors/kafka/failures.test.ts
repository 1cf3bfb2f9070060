import { AuthenticationError, MultipleErrors, NetworkError, ProtocolError } from '@platformatic/kafka'
import { expect, test } from 'vitest'
import { kafkaFailure } from './failures.ts'

const system = (code: string) => Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })
const fate = (error: unknown) => {
  const { code, retryable } = kafkaFailure('asking', error)
  return [code, retryable]
}

test.each(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ENOTFOUND'])(
  'a network that says %s may pass, bare or wrapped',
  (code) => {
    expect(fate(system(code))).toEqual(['KAFKA_UNREACHABLE', true])
    expect(fate(new NetworkError('cannot connect', { cause: system(code) }))).toEqual(['KAFKA_UNREACHABLE', true])
    expect(fate(new MultipleErrors('no broker', [system(code), system(code)]))).toEqual(['KAFKA_UNREACHABLE', true])
  },
)

test('a connection that breaks while it is authenticated refuses nobody; a broker that says no does', () => {
  const broken = new AuthenticationError('SASL authentication failed.', {
    cause: new NetworkError('Connection closed'),
  })
  expect(fate(broken)).toEqual(['KAFKA_UNREACHABLE', true])
  const saslAuthenticationFailed = new ProtocolError(58)
  const refused = new AuthenticationError('SASL authentication failed.', { cause: saslAuthenticationFailed })
  expect(fate(refused)).toEqual(['KAFKA_REFUSED', false])
  expect(fate(new MultipleErrors('no broker', [refused, system('ECONNREFUSED')]))).toEqual(['KAFKA_REFUSED', false])
  expect(fate(new AuthenticationError('Cannot find a suitable SASL mechanism.'))).toEqual(['KAFKA_REFUSED', false])
})

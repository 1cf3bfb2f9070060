/** The settings that say which Kafka cluster is used, and how it is reached. */
import { type KafkaSettings, type KafkaTls, type SaslMechanism, saslMechanisms } from '../connectors/kafka/settings.ts'
import { defaultGroupPrefix } from '../connectors/records/description.ts'
import { type Problem, readPem, type Setting, whole } from './setting.ts'

const protocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const
type Protocol = (typeof protocols)[number]

/** Names follow Kafka's own configuration. Empty counts as not given. */
export const kafkaSettings = {
  brokers: { key: 'kafkaBrokers', variable: 'KAFKA_BROKERS', fallback: [] as readonly string[], read: readBrokers },
  protocol: {
    key: 'kafkaSecurityProtocol',
    variable: 'KAFKA_SECURITY_PROTOCOL',
    fallback: 'PLAINTEXT' as Protocol,
    read: oneOf(protocols),
  },
  mechanism: {
    key: 'kafkaSaslMechanism',
    variable: 'KAFKA_SASL_MECHANISM',
    fallback: 'PLAIN' as SaslMechanism,
    read: oneOf(saslMechanisms),
  },
  user: { key: 'kafkaUser', variable: 'KAFKA_USER', fallback: '', read: (text: string) => text },
  password: { key: 'kafkaPassword', variable: 'KAFKA_PASSWORD', fallback: '', read: (text: string) => text },
  ca: { key: 'kafkaCa', variable: 'KAFKA_CA', fallback: null, read: readPem },
  cert: { key: 'kafkaCert', variable: 'KAFKA_CERT', fallback: null, read: readPem },
  privateKey: { key: 'kafkaKey', variable: 'KAFKA_KEY', fallback: null, read: readPem },
  clientId: { key: 'kafkaClientId', variable: 'KAFKA_CLIENT_ID', fallback: 'millrace', read: word },
  groupPrefix: { key: 'kafkaGroupPrefix', variable: 'KAFKA_GROUP_PREFIX', fallback: defaultGroupPrefix, read: word },
  groupMember: { key: 'kafkaGroupMember', variable: 'KAFKA_GROUP_MEMBER', fallback: null, read: word },
  maxBatchMib: { key: 'kafkaMaxBatchMiB', variable: 'KAFKA_MAX_BATCH_MIB', fallback: 128, read: whole(1, 1024) },
} satisfies { readonly [name: string]: Setting<unknown> }

/** Null where no brokers are named. What does not go together is added to `problems`; no value of a secret is. */
export function readKafka(value: <T>(setting: Setting<T>) => T, problems: string[]): KafkaSettings | null {
  const s = kafkaSettings
  const brokers = value(s.brokers as Setting<readonly string[]>)
  const protocol = value(s.protocol as Setting<Protocol>)
  const username = value(s.user)
  const password = value(s.password)
  const mechanism = value(s.mechanism as Setting<SaslMechanism>)
  if (brokers.length === 0) return null
  const authenticates = protocol.startsWith('SASL_')
  if (authenticates && (username === '' || password === ''))
    problems.push(`KAFKA_SECURITY_PROTOCOL: ${protocol} needs KAFKA_USER and KAFKA_PASSWORD`)
  return {
    brokers,
    clientId: value(s.clientId as Setting<string>),
    tls: protocol.endsWith('SSL') ? readTls(value, problems) : null,
    sasl: authenticates ? { mechanism, username, password } : null,
    groupPrefix: value(s.groupPrefix as Setting<string>),
    groupMember: value(s.groupMember as Setting<string | null>),
    maxUnpackedBytes: value(s.maxBatchMib as Setting<number>) * 2 ** 20,
  }
}

function readTls(value: <T>(setting: Setting<T>) => T, problems: string[]): KafkaTls {
  const ca = value(kafkaSettings.ca as Setting<string | null>)
  const cert = value(kafkaSettings.cert as Setting<string | null>)
  const key = value(kafkaSettings.privateKey as Setting<string | null>)
  if ((cert === null) !== (key === null)) problems.push('KAFKA_CERT, KAFKA_KEY: give both or none')
  return { ca, cert, key }
}

function readBrokers(text: string): readonly string[] | Problem {
  if (text.includes('@'))
    return { problem: 'must be host:port (a user goes to KAFKA_USER, a password to KAFKA_PASSWORD)', secret: true }
  const brokers = text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
  const valid = brokers.every((address) => /^[^\s:/]+(:\d{1,5})?$/.test(address))
  return valid ? brokers : { problem: 'must be host:port, or several of them with commas' }
}

function word(text: string): string | { readonly problem: string } {
  return /^[A-Za-z0-9._-]{1,200}$/.test(text) ? text : { problem: "must be letters, digits, '.', '_' and '-'" }
}

function oneOf<T extends string>(values: readonly T[]) {
  return (text: string): T | { readonly problem: string } =>
    (values as readonly string[]).includes(text) ? (text as T) : { problem: `must be one of ${values.join(', ')}` }
}

import { defineConfig } from 'vitest/config'

/** Tests run alike wherever a cluster, a bucket or a database is configured; those that need one ask for it by another name. */
const services: Readonly<Record<string, string>> = {
  KAFKA_BROKERS: 'MILLRACE_TEST_KAFKA_BROKERS',
  KAFKA_BROKERS_SASL: 'MILLRACE_TEST_KAFKA_BROKERS_SASL',
  KAFKA_BROKERS_TLS: 'MILLRACE_TEST_KAFKA_BROKERS_TLS',
  KAFKA_CA: 'MILLRACE_TEST_KAFKA_CA',
  KAFKA_USER: 'MILLRACE_TEST_KAFKA_USER',
  KAFKA_PASSWORD: 'MILLRACE_TEST_KAFKA_PASSWORD',
  AWS_ENDPOINT_URL_S3: 'MILLRACE_TEST_S3_ENDPOINT',
  AWS_ACCESS_KEY_ID: 'MILLRACE_TEST_S3_ACCESS_KEY',
  AWS_SECRET_ACCESS_KEY: 'MILLRACE_TEST_S3_SECRET_KEY',
  AWS_REGION: 'MILLRACE_TEST_S3_REGION',
  S3_BUCKET: 'MILLRACE_TEST_S3_BUCKET',
  CLICKHOUSE_URL: 'MILLRACE_TEST_CLICKHOUSE_URL',
  CLICKHOUSE_USER: 'MILLRACE_TEST_CLICKHOUSE_USER',
  CLICKHOUSE_PASSWORD: 'MILLRACE_TEST_CLICKHOUSE_PASSWORD',
  EMBEDDING_MODEL_PATH: 'MILLRACE_TEST_EMBEDDING_MODEL_PATH',
  EMBEDDING_MODEL_ID: 'MILLRACE_TEST_EMBEDDING_MODEL_ID',
  MILLRACE_TRANSFORMERS: 'MILLRACE_TEST_TRANSFORMERS',
  NEO4J_URI: 'MILLRACE_TEST_NEO4J_URI',
  NEO4J_USER: 'MILLRACE_TEST_NEO4J_USER',
  NEO4J_PASSWORD: 'MILLRACE_TEST_NEO4J_PASSWORD',
}
const hidden = [
  'AWS_ENDPOINT_URL',
  'MILLRACE_LAKE',
  'MILLRACE_S3_PATH_STYLE',
  'MILLRACE_S3_CA',
  'MILLRACE_CACHE_BYTES',
  'CLICKHOUSE_DATABASE',
  'CLICKHOUSE_CA',
  'CLICKHOUSE_TIMEOUT_MS',
  'MILLRACE_EMBEDDER',
  'EMBEDDING_DIMENSION',
  'EMBEDDING_URL',
  'EMBEDDING_API_KEY',
  'EMBEDDING_DTYPE',
  'EMBEDDING_TEXT_PREFIX',
  'EMBEDDING_QUERY_PREFIX',
  'EMBEDDING_CACHE_BYTES',
  'MILLRACE_CHAT_URL',
  'MILLRACE_CHAT_MODEL',
  'MILLRACE_CHAT_API_KEY',
  'NEO4J_DATABASE',
  'NEO4J_CA',
  'NEO4J_TIMEOUT_MS',
]
const env = Object.fromEntries([
  ...Object.entries(services).flatMap(([name, testName]) => [
    [name, ''],
    [testName, process.env[name] ?? ''],
  ]),
  ...hidden.filter((name) => process.env[name] !== undefined).map((name) => [name, '']),
])

const usesServices = Object.keys(services).some((name) => (process.env[name] ?? '') !== '')

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'data/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // services are shared and measured by the second; without them, files have nothing in common
    ...(usesServices ? {} : { maxWorkers: 2 }),
    env,
  },
})

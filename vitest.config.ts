import { defineConfig } from 'vitest/config'

/** Tests run alike wherever a cluster is configured; those that need one ask for it by another name. */
const cluster = ['BROKERS', 'BROKERS_SASL', 'BROKERS_TLS', 'CA', 'USER', 'PASSWORD']
const env = Object.fromEntries(
  cluster.flatMap((name) => [
    [`KAFKA_${name}`, ''],
    [`MILLRACE_TEST_KAFKA_${name}`, process.env[`KAFKA_${name}`] ?? ''],
  ]),
)

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'data/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    env,
  },
})

/** What a topic is configured to keep. */
import * as kafka from '@platformatic/kafka'
import { apiVersions, type KafkaClient } from './client.ts'

const describeConfigsApi = apiVersions('DescribeConfigs', kafka.describeConfigsV4)

/** Values of settings of a topic by their names, the cluster's where it has none of its own. */
export async function topicConfiguration(
  client: KafkaClient,
  topic: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const resource = {
    resourceType: kafka.ConfigResourceTypes.TOPIC,
    resourceName: topic,
    configurationKeys: [...names],
  }
  const { results } = await client.ask('any', describeConfigsApi, [resource], false, false)
  const configs = results[0]?.configs ?? []
  return new Map(configs.flatMap(({ name, value }) => (typeof value === 'string' ? [[name, value] as const] : [])))
}

/** Whether newer records take the place of older ones with their key, so that offsets have gaps. */
export async function isCompacted(client: KafkaClient, topic: string): Promise<boolean> {
  const policy = (await topicConfiguration(client, topic, ['cleanup.policy'])).get('cleanup.policy')
  return policy?.includes('compact') ?? false
}

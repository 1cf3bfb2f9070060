/** What a topic is configured to keep. */
import * as kafka from '@platformatic/kafka'
import { apiVersions, type KafkaClient } from './client.ts'

const describeConfigsApi = apiVersions('DescribeConfigs', kafka.describeConfigsV4)

/** Whether newer records take the place of older ones with their key, so that offsets have gaps. */
export async function isCompacted(client: KafkaClient, topic: string): Promise<boolean> {
  const resource = {
    resourceType: kafka.ConfigResourceTypes.TOPIC,
    resourceName: topic,
    configurationKeys: ['cleanup.policy'],
  }
  const { results } = await client.ask('any', describeConfigsApi, [resource], false, false)
  const policy = results[0]?.configs.find(({ name }) => name === 'cleanup.policy')?.value
  return policy?.includes('compact') ?? false
}

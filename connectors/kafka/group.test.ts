import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openKafkaClient } from './client.ts'
import { cluster, clusterSettings, eventually, openTestCluster, type TestCluster } from './cluster.testing.ts'
import { kafkaSource } from './source.ts'

describe.skipIf(cluster.brokers === '')('processes that share a topic (needs KAFKA_BROKERS)', () => {
  let on: TestCluster
  beforeAll(() => {
    on = openTestCluster()
  })
  afterAll(() => on.close())

  /** A member with a client of its own, as another process would be. */
  function member(topic: string, name: string | null = null) {
    const client = openKafkaClient(clusterSettings({ groupMember: name }))
    const source = kafkaSource({
      client,
      choice: { topic },
      startFrom: 'earliest',
      onDataLoss: 'fail',
      group: `group-${topic}`,
    })
    return {
      source,
      hold: async () => [...(await source.share!.hold())!].sort(),
      release: () => source.share!.release(),
      async leave() {
        await source.close()
        await client.close()
      },
      /** As a process that dies: its group is not told. */
      die: () => client.close(),
    }
  }
  type Member = ReturnType<typeof member>

  /** One batch without work: the group may take and give between. */
  async function turn(...members: readonly Member[]): Promise<string[][]> {
    const held: string[][] = []
    for (const each of members) {
      held.push(await each.hold())
      each.release()
    }
    return held
  }
  const allOf = (topic: string, partitions: number) =>
    Array.from({ length: partitions }, (_, partition) => `${topic}/${partition}`).sort()

  test('one member has all partitions; two share them; who is left has all again', async () => {
    const topic = await on.makeTopic(4)
    const first = member(topic)
    await eventually(async () => ((await turn(first))[0]!.length === 4 ? true : null))
    const second = member(topic)
    const [a, b] = await eventually(async () => {
      const held = await turn(first, second)
      return held.every((each) => each.length === 2) ? held : null
    })
    expect([...a!, ...b!].sort()).toEqual(allOf(topic, 4))
    await second.leave()
    await eventually(async () => ((await turn(first))[0]!.length === 4 ? true : null))
    await first.leave()
  })

  test('what is held stays until it is released, whatever the group wants meanwhile', async () => {
    const topic = await on.makeTopic(4)
    const first = member(topic)
    await eventually(async () => ((await turn(first))[0]!.length === 4 ? true : null))
    const held = await first.hold()
    const second = member(topic)
    for (let looks = 0; looks < 10; looks += 1) expect((await turn(second))[0]).toEqual([])
    expect(held).toHaveLength(4)
    first.release()
    const [kept, given] = await eventually(async () => {
      const now = await turn(first, second)
      return now[1]!.length === 2 ? now : null
    })
    expect(held).toEqual(expect.arrayContaining(kept!))
    expect(kept!.filter((partition) => given!.includes(partition))).toEqual([])
    await first.leave()
    await second.leave()
  })

  test('a process that died and comes back under its name has its partitions at once', async () => {
    const topic = await on.makeTopic(4)
    const first = member(topic, `${topic}-slot-0`)
    await eventually(async () => ((await turn(first))[0]!.length === 4 ? true : null))
    await first.die()
    const again = member(topic, `${topic}-slot-0`)
    expect((await turn(again))[0]).toEqual(allOf(topic, 4))
    await again.leave()
  })

  test('lag tools are told where reading goes on, by members and by runs that join no group', async () => {
    const topic = await on.makeTopic(1)
    const committed = async () => {
      const [group] = await on.admin.listConsumerGroupOffsets({ groups: [`group-${topic}`] })
      return group?.topics[0]?.partitions[0]?.committedOffset
    }
    const alone = member(topic)
    await alone.source.commitOffsets(new Map([[`${topic}/0`, 3n]]))
    expect(await committed()).toBe(3n)
    await turn(alone)
    await alone.source.commitOffsets(new Map([[`${topic}/0`, 5n]]))
    expect(await committed()).toBe(5n)
    await alone.leave()
  })
})

// The Kafka consumer: counts items in Redis and keeps them there for reads. It starts over after every failure.

import { setTimeout as sleep } from 'node:timers/promises';

import { Consumer, stringDeserializers } from '@platformatic/kafka';
import type { Logger } from 'pino';

import type { Config } from './config.js';
import { kafkaOptions, type Dependencies } from './dependencies.js';
import type { Metrics } from './metrics.js';

/**
 * How long the group waits for a member that has gone without a word, and for its members to join again. A request to join
 * is answered after that time at the latest, and must not be given up before.
 */
const groupMillis = 10_000;
const joinMillis = 15_000;

export const itemKey = (id: string): string => `item:${id}`;
export const seenKey = 'items:seen';

export class ItemConsumer {
  private consumer: Consumer<string, string, string, string> | undefined;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: Config, private readonly log: Logger,
    private readonly metrics: Metrics, private readonly dependencies: Dependencies,
  ) {}

  start(): void { this.running = this.run(); }

  async stop(): Promise<void> {
    this.stopping.abort();
    // Leaves the group, so that the others take the partitions over at once and not after the session has timed out.
    await this.consumer?.close(true).catch(() => undefined);
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 10_000)) {
      try {
        await this.dependencies.topic();
        const options = kafkaOptions(this.config);
        this.consumer = new Consumer({
          ...options, requestTimeout: Math.max(options.requestTimeout ?? 0, joinMillis),
          groupId: this.config.kafka.groupId, deserializers: stringDeserializers,
          // Here and not where it consumes: a consumer that joins again of itself knows only these.
          sessionTimeout: groupMillis, rebalanceTimeout: groupMillis, heartbeatInterval: 1000,
        });
        const stream = await this.consumer.consume({
          topics: [this.config.kafka.topic], mode: 'committed', fallbackMode: 'latest', autocommit: 1000, maxWaitTime: 1000,
        });
        for await (const message of stream) {
          wait = 500;
          await this.take(message.key, message.value);
        }
      } catch (error) {
        if (!signal.aborted) this.log.warn({ err: error, wait }, 'consumer starts over');
      }
      if (signal.aborted) return;
      await this.consumer?.close(true).catch(() => undefined);
      await sleep(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  private async take(id: string, value: string): Promise<void> {
    try {
      await this.dependencies.redis.multi().incr(seenKey).set(itemKey(id), value, 'EX', 60).exec();
      this.metrics.consumed.inc({ result: 'ok' });
    } catch (error) {
      this.metrics.consumed.inc({ result: 'failed' });
      this.log.warn({ err: error, id }, 'item not counted');
    }
  }
}

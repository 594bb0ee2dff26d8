// PostgreSQL, Redis and Kafka: connections with bounded waits, and what /ok wants to know about them.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { Injectable } from '@nestjs/common';
import { Producer, stringSerializers, type BaseOptions } from '@platformatic/kafka';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import type { Logger } from 'pino';

import type { Config } from './config.js';
import type { Metrics } from './metrics.js';

// Required, as OpenTelemetry sees an import only through a thread of its own, which takes longer than all else at the start.
const require = createRequire(import.meta.url);
const { Pool } = require('pg') as typeof import('pg');
const ioredis = require('ioredis') as typeof import('ioredis');

/** Longest wait for one dependency in a check; the readiness probe waits 3 s for all of them, which run side by side. */
const checkMillis = 1000;
/** A check is asked again after this time: probes, load balancers and people must not add up to load. */
const freshMillis = 2000;

export type State = 'up' | 'down';
export type States = Readonly<Record<'postgres' | 'redis' | 'kafka', State>>;
type StringProducer = Producer<string, string, string, string>;

export function postgresOptions(config: Config): pg.PoolConfig {
  const { host, port, database, user, password, sslmode } = config.postgres;
  const options: pg.PoolConfig = {
    host, port, database, user, password, connectionTimeoutMillis: 2000 * config.timeoutFactor, keepAlive: true,
  };
  if (sslmode === 'disable') return options;
  const file = process.env['PGSSLROOTCERT'];
  const ca = file ? { ca: readFileSync(file, 'utf8') } : {};
  const host_ = sslmode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {};
  return { ...options, ssl: { rejectUnauthorized: sslmode !== 'require', ...ca, ...host_ } };
}

export function kafkaOptions(config: Config): BaseOptions {
  const { brokers, clientId, tls, mechanism, username, password } = config.kafka;
  const factor = config.timeoutFactor;
  return {
    clientId, bootstrapBrokers: [...brokers], retries: 2, retryDelay: 200,
    timeout: 3000 * factor, connectTimeout: 2000 * factor, requestTimeout: 5000 * factor,
    ...(tls ? { tls: {} } : {}),
    ...(mechanism ? { sasl: { mechanism: mechanism.toUpperCase() as 'PLAIN', username, password } } : {}),
  };
}

@Injectable()
export class Dependencies {
  readonly postgres: pg.Pool;
  readonly redis: Redis;
  readonly producer: StringProducer;
  private last: { at: number; states: Promise<States> } | undefined;
  private complete = false;

  constructor(private readonly config: Config, private readonly log: Logger, private readonly metrics: Metrics) {
    const queryMillis = 5000 * config.timeoutFactor;
    this.postgres = new Pool({
      ...postgresOptions(config), max: config.postgres.pool, idleTimeoutMillis: 30_000,
      statement_timeout: queryMillis, query_timeout: queryMillis,
    });
    this.postgres.on('error', (error) => log.warn({ err: error }, 'PostgreSQL connection lost'));
    this.redis = new ioredis.Redis({
      host: config.redis.host, port: config.redis.port, ...(config.redis.password ? { password: config.redis.password } : {}),
      ...(config.redis.tls ? { tls: {} } : {}), connectTimeout: 2000, commandTimeout: checkMillis * config.timeoutFactor, maxRetriesPerRequest: 1,
      enableOfflineQueue: false, retryStrategy: (attempt) => Math.min(attempt * 100, 2000),
    });
    this.redis.on('error', (error) => log.debug({ err: error }, 'Redis connection lost'));
    this.producer = new Producer({ ...kafkaOptions(config), serializers: stringSerializers, autocreateTopics: true });
  }

  /** True once all three have answered together: before that this process cannot have served anything. */
  get wereComplete(): boolean { return this.complete; }

  check(): Promise<States> {
    const now = Date.now();
    if (!this.last || now - this.last.at > freshMillis) this.last = { at: now, states: this.ask() };
    return this.last.states;
  }

  /** Asks the brokers for the topic, which those that may do so create. */
  async topic(): Promise<void> {
    await this.producer.metadata({ topics: [this.config.kafka.topic], forceUpdate: true, autocreateTopics: true });
  }

  private async ask(): Promise<States> {
    const [postgres, redis, kafka] = await Promise.all([
      this.state('postgres', () => this.postgres.query('SELECT 1')),
      this.state('redis', () => this.redis.ping()),
      this.state('kafka', () => this.topic()),
    ]);
    const states = { postgres, redis, kafka };
    if (Object.values(states).every((state) => state === 'up')) this.complete = true;
    return states;
  }

  private async state(dependency: string, ask: () => Promise<unknown>): Promise<State> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${checkMillis} ms`)), checkMillis);
    });
    try {
      await Promise.race([ask(), late]);
      this.metrics.dependency.set({ dependency }, 1);
      return 'up';
    } catch (error) {
      this.metrics.dependency.set({ dependency }, 0);
      this.log.warn({ dependency, err: error }, 'dependency does not answer');
      return 'down';
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await Promise.allSettled([this.postgres.end(), this.producer.close()]);
  }
}


// The environment, read once. Every problem is reported, not the first only.

import { makeLog } from './log.js';

export interface Config {
  readonly environment: string;
  /** Of the image. */
  readonly version: string;
  readonly port: number;
  readonly metrics: { readonly enabled: boolean; readonly port: number };
  readonly tracing: boolean;
  readonly log: { readonly level: string; readonly pretty: boolean };
  readonly bodyLimit: string;
  /** Milliseconds from SIGTERM to the end at the latest. Less than the chart's drainSeconds. */
  readonly drainMillis: number;
  /** Multiplies how long PostgreSQL, Redis and Kafka may take to answer: for a machine on which everything is slow. */
  readonly timeoutFactor: number;
  /** Endpoints that leak, burn and fail, for the tests of limits and alerts. */
  readonly testEndpoints: boolean;
  readonly postgres: {
    readonly host: string; readonly port: number; readonly database: string;
    readonly user: string; readonly password: string; readonly sslmode: string; readonly pool: number;
  };
  readonly redis: { readonly host: string; readonly port: number; readonly password: string; readonly tls: boolean };
  readonly kafka: {
    readonly brokers: readonly string[]; readonly clientId: string; readonly groupId: string; readonly topic: string;
    readonly tls: boolean; readonly mechanism: string; readonly username: string; readonly password: string;
  };
}

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'];
const sslmodes = ['disable', 'require', 'verify-ca', 'verify-full'];
const mechanisms = ['', 'plain', 'scram-sha-256', 'scram-sha-512'];

/** Reads the environment of this process, or ends it with a line that says what is wrong. */
export function configOfProcess(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    makeLog({ level: 'info', pretty: false, environment: process.env['APP_ENV'] ?? '' }).fatal((error as Error).message);
    process.exit(1);
  }
}

function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];
  const text = (name: string, fallback = ''): string => env[name] || fallback;
  const required = (name: string): string => {
    if (!env[name]) problems.push(`${name} must be set`);
    return env[name] ?? '';
  };
  const oneOf = (name: string, allowed: string[], fallback: string): string => {
    const value = text(name, fallback).toLowerCase();
    if (!allowed.includes(value)) problems.push(`${name} is none of ${allowed.filter(Boolean).join(', ')}`);
    return value;
  };
  const flag = (name: string, fallback: boolean): boolean => oneOf(name, ['true', 'false'], String(fallback)) === 'true';
  const number = (name: string, fallback: number, most: number): number => {
    const value = Number(text(name, String(fallback)));
    if (!Number.isInteger(value) || value < 1 || value > most) problems.push(`${name} is not a whole number from 1 to ${most}`);
    return value;
  };

  const port = number('PORT', 3000, 65535);
  const config: Config = {
    environment: text('APP_ENV', text('NODE_ENV', 'development')),
    version: text('APP_VERSION', 'unknown'),
    port,
    metrics: { enabled: flag('METRICS_ENABLED', true), port: number('METRICS_PORT', port, 65535) },
    tracing: flag('TRACING_ENABLED', false),
    log: { level: oneOf('LOG_LEVEL', levels, 'info'), pretty: oneOf('LOG_FORMAT', ['json', 'pretty'], 'json') === 'pretty' },
    // More than the Ingress lets through, so that its limit is the one that is met.
    bodyLimit: text('BODY_LIMIT', '2mb'),
    drainMillis: number('DRAIN_MILLIS', 25_000, 600_000),
    timeoutFactor: number('TIMEOUT_FACTOR', 1, 100),
    testEndpoints: flag('TEST_ENDPOINTS', false),
    postgres: {
      host: required('POSTGRES_HOST'), port: number('POSTGRES_PORT', 5432, 65535), database: text('POSTGRES_DB', 'core-pipeline'),
      user: required('POSTGRES_USER'), password: text('POSTGRES_PASSWORD'), sslmode: oneOf('POSTGRES_SSLMODE', sslmodes, 'disable'),
      pool: number('POSTGRES_POOL', 10, 1000),
    },
    redis: { host: required('REDIS_HOST'), port: number('REDIS_PORT', 6379, 65535), password: text('REDIS_PASSWORD'), tls: flag('REDIS_TLS', false) },
    kafka: {
      brokers: required('KAFKA_BROKERS').split(',').map((broker) => broker.trim()).filter(Boolean),
      clientId: text('KAFKA_CLIENT_ID', 'core-pipeline'), groupId: text('KAFKA_GROUP_ID', 'core-pipeline-group'),
      topic: text('KAFKA_TOPIC', 'core-pipeline.items'), tls: flag('KAFKA_SSL', false),
      mechanism: oneOf('KAFKA_SASL_MECHANISM', mechanisms, ''), username: text('KAFKA_USERNAME'), password: text('KAFKA_PASSWORD'),
    },
  };
  if (problems.length > 0) throw new Error(`reading the environment: ${problems.join('; ')}`);
  return config;
}

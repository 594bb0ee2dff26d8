// `node dist/migrate.js`: brings the schema up to date. It may run again and at the same time as another: each step
// is done once. Steps only add: the version before keeps running on the new schema during a rollout.

import pg from 'pg';

import { configOfProcess } from './config.js';
import { postgresOptions } from './dependencies.js';
import { makeLog } from './log.js';

const steps: readonly string[] = [
  'CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, created timestamptz NOT NULL DEFAULT now())',
  'CREATE INDEX items_created ON items (created)',
];
/** Any number that nothing else locks. */
const lock = 7_320_001;

const config = configOfProcess();
const log = makeLog({ ...config.log, environment: config.environment });
const client = new pg.Client({ ...postgresOptions(config), statement_timeout: 60_000 });
try {
  await client.connect();
  await client.query('SELECT pg_advisory_lock($1)', [lock]);
  await client.query('CREATE TABLE IF NOT EXISTS migrations (step integer PRIMARY KEY, done timestamptz NOT NULL DEFAULT now())');
  const { rows } = await client.query<{ step: number }>('SELECT step FROM migrations');
  const done = new Set(rows.map((row) => row.step));
  let count = 0;
  for (const [step, sql] of steps.entries()) {
    if (done.has(step)) continue;
    await client.query('BEGIN');
    await client.query(sql);
    await client.query('INSERT INTO migrations (step) VALUES ($1)', [step]);
    await client.query('COMMIT');
    count++;
  }
  log.info({ steps: count }, 'migrated');
} catch (error) {
  log.error({ err: error }, 'migration failed');
  process.exitCode = 1;
} finally {
  await client.end().catch(() => undefined);
}

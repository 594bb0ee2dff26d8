import 'reflect-metadata';

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';

import { configOfProcess } from './config.js';
import { ItemConsumer } from './consumer.js';
import { ItemController, ProbeController, TestController } from './controllers.js';
import { Dependencies } from './dependencies.js';
import { Lifecycle } from './lifecycle.js';
import { makeLog, NestLog } from './log.js';
import { Metrics } from './metrics.js';
import { CONFIG, LOG } from './tokens.js';
import { stopTracing } from './tracing.js';

const config = configOfProcess();
const log = makeLog({ ...config.log, environment: config.environment });
const metrics = new Metrics();
const lifecycle = new Lifecycle(log, metrics);
const dependencies = new Dependencies(config, log, metrics);
const consumer = new ItemConsumer(config, log, metrics, dependencies);

@Module({
  controllers: [ProbeController, ItemController, ...(config.testEndpoints ? [TestController] : [])],
  providers: [
    { provide: CONFIG, useValue: config }, { provide: LOG, useValue: log },
    { provide: Lifecycle, useValue: lifecycle }, { provide: Dependencies, useValue: dependencies },
  ],
})
class AppModule {}

const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: new NestLog(log), bodyParser: false });
app.disable('x-powered-by');
app.use(lifecycle.watch);
app.useBodyParser('json', { limit: config.bodyLimit });

const serveMetrics = async (_: IncomingMessage, response: ServerResponse): Promise<void> => {
  response.setHeader('Content-Type', metrics.registry.contentType);
  response.end(await metrics.registry.metrics());
};
let metricsServer: Server | undefined;
if (config.metrics.enabled) {
  if (config.metrics.port === config.port) app.use('/metrics', serveMetrics);
  else metricsServer = createServer((request, response) => void serveMetrics(request, response)).listen(config.metrics.port);
}

const server: Server = app.getHttpServer();
// Longer than the connections that nginx and Traefik keep: they must be the ones to close first.
server.keepAliveTimeout = 95_000;
server.headersTimeout = 100_000;
await app.listen(config.port);
consumer.start();
log.info({ port: config.port, version: config.version, node: process.version }, 'listening');

let stopped = false;
async function stop(signal: string): Promise<void> {
  if (stopped) return;
  stopped = true;
  log.info({ signal }, 'stopping');
  // Whatever hangs below must not turn an orderly stop into a kill.
  setTimeout(() => { log.error('stopped late'); process.exit(1); }, config.drainMillis + 4000).unref();
  await lifecycle.drain(server, config.drainMillis);
  await consumer.stop();
  await app.close();
  await dependencies.close();
  metricsServer?.close();
  await stopTracing();
  log.info('stopped');
  process.exit(0);
}
process.on('SIGTERM', (signal) => void stop(signal));
process.on('SIGINT', (signal) => void stop(signal));
process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));

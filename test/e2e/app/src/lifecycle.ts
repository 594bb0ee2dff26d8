// Requests in flight, and a stop that none of them notices.

import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';

import type { Metrics } from './metrics.js';

/** No request for so long means that clients have moved on. */
const quietMillis = 1000;
/** What machines ask all the time: their requests are no load, and a pod that is not ready yet no error of the service. */
const probes = new Set(['/health', '/ok', '/metrics']);

export class Lifecycle {
  stopping = false;
  private active = 0;
  private lastEnd = 0;

  constructor(private readonly log: Logger, private readonly metrics: Metrics) {}

  /** Counts, measures and logs every request. The first of all middlewares. */
  readonly watch = (request: Request, response: Response, next: NextFunction): void => {
    const started = performance.now();
    const path = request.path; // the router changes it
    this.active++;
    // The client opens its next connection elsewhere, instead of finding this one closed under it.
    if (this.stopping) response.setHeader('Connection', 'close');
    response.once('close', () => {
      this.active--;
      this.lastEnd = performance.now();
      const seconds = (this.lastEnd - started) / 1000;
      const route = (request.route as { path?: string } | undefined)?.path ?? 'none';
      const { method } = request;
      // 499, as nginx has it: the client went before it was answered.
      const status = response.writableFinished ? response.statusCode : 499;
      const probe = probes.has(path);
      if (!probe) this.metrics.duration.observe({ method, route, status_code: String(status) }, seconds);
      const level = probe ? 'debug' : status >= 500 ? 'error' : 'info';
      this.log[level]({ method, path, status, seconds: Number(seconds.toFixed(4)) }, 'request');
    });
    next();
  };

  /** Ends when every request is answered and no client holds a connection, or at the deadline. */
  async drain(server: Server, millis: number): Promise<void> {
    this.stopping = true;
    const deadline = performance.now() + millis;
    this.lastEnd = performance.now();
    while (performance.now() < deadline && (this.active > 0 || performance.now() - this.lastEnd < quietMillis)) await sleep(50);
    const closed = new Promise<void>((done) => server.close(() => done()));
    server.closeIdleConnections();
    const left = Math.max(0, deadline - performance.now());
    await Promise.race([closed, sleep(left, undefined, { ref: false })]);
    if (this.active > 0) this.log.error({ requests: this.active }, 'requests cut off');
    server.closeAllConnections();
  }
}

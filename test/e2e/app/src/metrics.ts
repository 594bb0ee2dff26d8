// Metrics, under the names that the chart's alerts and dashboard use.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export class Metrics {
  readonly registry = new Registry();
  readonly duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Seconds from a request to the end of its answer.',
    labelNames: ['method', 'route', 'status_code'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });
  readonly consumed = new Counter({
    name: 'kafka_messages_consumed_total',
    help: 'Messages taken from Kafka, by what became of them.',
    labelNames: ['result'],
    registers: [this.registry],
  });
  readonly dependency = new Gauge({
    name: 'dependency_up',
    help: '1 while the last check of a dependency succeeded, else 0.',
    labelNames: ['dependency'],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }
}

// Loaded with `node --import` before the application, so that the clients it requires are instrumented. Where the traces
// go, as whom and with which attributes is read from the standard variables OTEL_*, which the chart sets.

import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { NodeSDK } from '@opentelemetry/sdk-node';

const unasked = new Set(['/health', '/ok', '/metrics']);

let sdk: NodeSDK | undefined;
if (process.env['TRACING_ENABLED'] === 'true') {
  sdk = new NodeSDK({
    instrumentations: [
      new HttpInstrumentation({ ignoreIncomingRequestHook: (request) => unasked.has(request.url?.split('?')[0] ?? '') }),
      new PgInstrumentation({ requireParentSpan: true }),
      new IORedisInstrumentation({ requireParentSpan: true }),
    ],
  });
  sdk.start();
}

/** Sends what is left. It never fails: traces must not keep the process from ending. */
export async function stopTracing(): Promise<void> {
  await sdk?.shutdown().catch(() => undefined);
}

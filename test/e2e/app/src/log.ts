// Logs: one JSON object a line, with the level as a word and the trace that the line belongs to.

import type { LoggerService } from '@nestjs/common';
import { trace } from '@opentelemetry/api';
import { pino, type Logger } from 'pino';

export function makeLog(options: { level: string; pretty: boolean; environment: string }): Logger {
  return pino(
    {
      level: options.level,
      base: { service: process.env['OTEL_SERVICE_NAME'] || 'core-pipeline', environment: options.environment },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describe },
      mixin: () => {
        const span = trace.getActiveSpan()?.spanContext();
        return span ? { trace_id: span.traceId, span_id: span.spanId } : {};
      },
    },
    options.pretty ? { write: (line: string) => process.stdout.write(forPeople(line)) } : pino.destination(1),
  );
}

/** The longest text of an error in a line. */
const longest = 2000;

/**
 * What one needs of an error, with what caused it. Clients put errors into errors, with a stack each: that would be
 * hundreds of kilobytes in a line, more than the collectors of logs take.
 */
function describe(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error).slice(0, longest) };
  const { code } = error as { code?: unknown };
  const root = rootOf(error);
  return {
    type: error.name, message: error.message.slice(0, longest), ...(typeof code === 'string' ? { code } : {}),
    ...(root === error ? { stack: error.stack?.slice(0, longest) } : { cause: root.message.slice(0, longest) }),
  };
}

/** The first of the innermost errors. */
function rootOf(error: Error): Error {
  let at = error;
  for (let depth = 0; depth < 20; depth++) {
    const inner: unknown = at instanceof AggregateError ? at.errors[0] : at.cause;
    if (!(inner instanceof Error)) break;
    at = inner;
  }
  return at;
}

function forPeople(line: string): string {
  const { level, time, msg, service: _s, environment: _e, ...rest } = JSON.parse(line);
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${msg ?? ''} ${Object.keys(rest).length > 0 ? JSON.stringify(rest) : ''}\n`;
}

/** What NestJS itself has to say goes the same way. */
export class NestLog implements LoggerService {
  constructor(private readonly to: Logger) {}
  put(level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace', message: unknown, rest: unknown[]): void {
    const context = typeof rest.at(-1) === 'string' ? { context: rest.at(-1) } : {};
    if (message instanceof Error) this.to[level]({ ...context, err: message }, message.message);
    else this.to[level](context, typeof message === 'string' ? message : JSON.stringify(message));
  }
  log(message: unknown, ...rest: unknown[]): void { this.put('debug', message, rest); }
  fatal(message: unknown, ...rest: unknown[]): void { this.put('fatal', message, rest); }
  error(message: unknown, ...rest: unknown[]): void { this.put('error', message, rest); }
  warn(message: unknown, ...rest: unknown[]): void { this.put('warn', message, rest); }
  debug(message: unknown, ...rest: unknown[]): void { this.put('debug', message, rest); }
  verbose(message: unknown, ...rest: unknown[]): void { this.put('trace', message, rest); }
}

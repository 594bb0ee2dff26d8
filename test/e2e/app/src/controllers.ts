// What the service answers: probes, metrics and items.

import { hostname } from 'node:os';

import {
  Body, BadRequestException, Controller, Get, HttpCode, Inject, NotFoundException, Param, Post, Query, Res, ServiceUnavailableException,
} from '@nestjs/common';
import type { Response } from 'express';
import type { Logger } from 'pino';

import { itemKey, seenKey } from './consumer.js';
import { Dependencies } from './dependencies.js';
import { Lifecycle } from './lifecycle.js';
import { CONFIG, LOG } from './tokens.js';
import type { Config } from './config.js';

export interface Item { id: string; name: string; created: string }

@Controller()
export class ProbeController {
  constructor(
    @Inject(Lifecycle) private readonly lifecycle: Lifecycle, @Inject(Dependencies) private readonly dependencies: Dependencies,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get('/')
  about(): object {
    const { environment, version } = this.config;
    return { service: 'core-pipeline', environment, version, host: hostname() };
  }

  /** The process turns requests into answers. It asks no dependency: a restart would not bring one back. */
  @Get('/health')
  health(): object { return { status: 'ok' }; }

  /**
   * Whether to send requests here. Not before all dependencies have answered once, and not while stopping. A dependency
   * that goes away later is away for every pod: if all of them gave up, nobody would be left to answer with an error.
   */
  @Get('/ok')
  async ok(@Res({ passthrough: true }) response: Response): Promise<object> {
    if (this.lifecycle.stopping) {
      response.status(503);
      return { status: 'stopping' };
    }
    const dependencies = await this.dependencies.check();
    const all = Object.values(dependencies).every((state) => state === 'up');
    if (!this.dependencies.wereComplete) response.status(503);
    return { status: all ? 'ok' : this.dependencies.wereComplete ? 'degraded' : 'starting', dependencies };
  }
}

@Controller('items')
export class ItemController {
  constructor(
    @Inject(Dependencies) private readonly dependencies: Dependencies, @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  @Post()
  async create(@Body() body: unknown): Promise<Item> {
    const name = (body as { name?: unknown } | undefined)?.name;
    if (typeof name !== 'string' || name === '' || name.length > 200) throw new BadRequestException('name must be a text of 1 to 200 characters');
    return this.need('storing an item', async () => {
      const client = await this.dependencies.postgres.connect();
      try {
        await client.query('BEGIN');
        const { rows } = await client.query<Item>('INSERT INTO items (name) VALUES ($1) RETURNING id::text, name, created', [name]);
        const item = rows[0]!;
        // Before the commit: an item that nobody hears of is worse than one that is heard of twice.
        await this.dependencies.producer.send({ messages: [{ topic: this.config.kafka.topic, key: item.id, value: JSON.stringify(item) }] });
        await client.query('COMMIT');
        client.release();
        return item;
      } catch (error) {
        client.release(true);
        throw error;
      }
    });
  }

  @Get()
  async list(): Promise<Item[]> {
    const sql = 'SELECT id::text, name, created FROM items ORDER BY id DESC LIMIT 20';
    return this.need('listing items', async () => (await this.dependencies.postgres.query<Item>(sql)).rows);
  }

  @Get('seen')
  async seen(): Promise<object> {
    return this.need('counting items', async () => ({ seen: Number(await this.dependencies.redis.get(seenKey)) }));
  }

  @Get(':id')
  async read(@Param('id') id: string): Promise<Item> {
    if (!/^[0-9]{1,18}$/.test(id)) throw new BadRequestException('an id is a number');
    const kept = await this.dependencies.redis.get(itemKey(id)).catch(() => null); // the cache may be away
    if (kept) return JSON.parse(kept) as Item;
    const item = await this.need('reading an item', async () => {
      const sql = 'SELECT id::text, name, created FROM items WHERE id = $1';
      return (await this.dependencies.postgres.query<Item>(sql, [id])).rows[0];
    });
    if (!item) throw new NotFoundException(`no item ${id}`);
    await this.dependencies.redis.set(itemKey(id), JSON.stringify(item), 'EX', 60).catch(() => undefined);
    return item;
  }

  private async need<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.log.error({ err: error }, what);
      throw new ServiceUnavailableException('a dependency does not answer');
    }
  }
}

/** Misbehaves on request. It is part of the application only where TEST_ENDPOINTS is true. */
@Controller('test')
export class TestController {
  private readonly kept: unknown[] = [];

  /** Keeps memory for good: beside the JavaScript heap, where no heap limit counts, or on it. */
  @Get('leak')
  leak(@Query('mebibytes') mebibytes = '16', @Query('where') where = 'buffers'): object {
    const count = bounded('mebibytes', mebibytes, 1024);
    if (where !== 'buffers' && where !== 'heap') throw new BadRequestException('where is neither buffers nor heap');
    for (let i = 0; i < count; i++) this.kept.push(where === 'heap' ? Array.from({ length: 131_072 }, () => Math.random()) : Buffer.alloc(1 << 20, 1));
    return process.memoryUsage();
  }

  /** Holds the event loop for so many milliseconds. */
  @Get('burn')
  burn(@Query('millis') millis = '50'): object {
    const end = performance.now() + bounded('millis', millis, 10_000);
    let rounds = 0;
    while (performance.now() < end) rounds++;
    return { rounds };
  }

  /** Answers after so many milliseconds. */
  @Get('slow')
  async slow(@Query('millis') millis = '1000'): Promise<object> {
    const wait = bounded('millis', millis, 60_000);
    await new Promise((done) => setTimeout(done, wait));
    return { slept: wait };
  }

  @Get('error')
  @HttpCode(500)
  fail(): object { return { status: 'failed as asked' }; }

  /** Tells how large the body was. */
  @Post('size')
  @HttpCode(200)
  size(@Body() body: unknown): object { return { bytes: JSON.stringify(body ?? null).length }; }
}

function bounded(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > most) throw new BadRequestException(`${name} is not a whole number from 0 to ${most}`);
  return value;
}

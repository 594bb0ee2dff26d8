// Makes dist of what the compiler has made: few large files in place of thousands of small ones, of which the
// application starts in half of the time.

import { build } from 'esbuild';

import manifest from './package.json' with { type: 'json' };

await build({
  entryPoints: ['compiled/tracing.js', 'compiled/main.js', 'compiled/migrate.js'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: [
    // What OpenTelemetry changes when it is loaded.
    ...Object.keys(manifest.dependencies),
    // What NestJS loads if it is there.
    '@nestjs/microservices', '@nestjs/websockets', 'class-transformer', 'class-validator',
  ],
  // The same with its WebAssembly within it.
  alias: { '@platformatic/wasm-utils': '@platformatic/wasm-utils/bundled' },
  // For the modules of the older kind among those that are bundled.
  banner: { js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);" },
  logLevel: 'warning',
});

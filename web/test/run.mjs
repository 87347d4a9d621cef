/** Bundles the tests (they are TypeScript) into node_modules/.cache and runs them with node:test. */

import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const outdir = 'node_modules/.cache/anywire-test';
rmSync(outdir, { recursive: true, force: true });
const names = readdirSync('test').filter((name) => name.endsWith('.test.ts'));
await build({
  entryPoints: names.map((name) => `test/${name}`),
  outdir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  sourcemap: 'inline',
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
});
const files = names.map((name) => `${outdir}/${name.replace(/ts$/, 'mjs')}`);
const { status } = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], {
  stdio: 'inherit',
});
process.exit(status ?? 1);

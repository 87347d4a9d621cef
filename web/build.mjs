/** Builds dist/ from src/ and static/: the same bytes from the same sources, wherever it runs. */

import { build } from 'esbuild';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
process.chdir(root);

/**
 * What a Content-Security-Policy without 'unsafe-inline' asks of xterm.js: style sheets and style attributes are
 * set through the CSSOM. Each replacement must fit exactly as often as stated, or a new version needs a look.
 */
const XTERM_PATCHES = [
  { find: /([\w.]+)\.createElement\("style"\)/g, replace: 'anywireStyleElement($1)', times: 3 },
  {
    find: /(\w)\.setAttribute\("style",`\$\{\1\.getAttribute\("style"\)\|\|""\}\$\{(\w)\};`\)/g,
    replace: '$1.style.cssText+=$2+";"',
    times: 1,
  },
];

const patchXterm = {
  name: 'patch-xterm',
  setup(builder) {
    builder.onLoad({ filter: /@xterm\/xterm\/lib\/xterm\.mjs$/ }, async ({ path }) => {
      let contents = await readFile(path, 'utf8');
      for (const { find, replace, times } of XTERM_PATCHES) {
        const found = contents.match(find)?.length ?? 0;
        if (found !== times) throw new Error(`xterm.js: ${find} fits ${found} times instead of ${times}`);
        contents = contents.replace(find, replace);
      }
      return { contents: `import{anywireStyleElement}from"${root}src/sheet.ts";${contents}`, loader: 'js' };
    });
  },
};

async function licences() {
  const lock = JSON.parse(await readFile('package-lock.json', 'utf8'));
  const { dependencies } = JSON.parse(await readFile('package.json', 'utf8'));
  const parts = ['app.js and app.css contain the following software.\n'];
  for (const name of Object.keys(dependencies).sort()) {
    const { version, license } = lock.packages[`node_modules/${name}`];
    const text = await readFile(`node_modules/${name}/LICENSE`, 'utf8');
    parts.push(`${'-'.repeat(72)}\n${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  parts.push(
    `${'-'.repeat(72)}\nParts of xterm.js (src/vs) come from VS Code: Copyright (c) Microsoft Corporation, MIT\nlicence, same text.\n`,
  );
  return parts.join('\n');
}

await rm('dist', { recursive: true, force: true });
await mkdir('dist');
const options = {
  bundle: true,
  minify: true,
  target: ['es2022', 'chrome111', 'firefox121', 'safari16.4'],
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
};
await build({
  ...options,
  entryPoints: ['src/main.ts'],
  outfile: 'dist/app.js',
  format: 'iife',
  plugins: [patchXterm],
});
await build({ ...options, entryPoints: ['src/app.css'], outfile: 'dist/app.css' });
for (const file of ['index.html', 'icon.svg']) await copyFile(`static/${file}`, `dist/${file}`);
await writeFile('dist/THIRD-PARTY-LICENSES.txt', await licences());

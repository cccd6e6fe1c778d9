import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('the package holds what is built, the licence and the readme: no tests and no sources', () => {
  // Without scripts: `prepack` builds anew, which `npm test` has just done.
  const output = execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], { encoding: 'utf8' });
  const [packed] = JSON.parse(output) as [{ files: { path: string }[] }];
  const paths = packed.files.map((file) => file.path);
  expect(paths).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'dist/bot/index.js']));
  expect(paths.filter((p) => !/^(?:dist\/.*\.(?:js|d\.ts|js\.map)|LICENSE|README\.md|package\.json)$/.test(p))).toEqual(
    [],
  );
  expect(paths.filter((p) => /\.(?:test|soak)\.|testing-support/.test(p))).toEqual([]);
});

// Holds the house of CONTRIBUTING.md: which folder may import which, who may touch the outside, sizes and names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { root, declaredNames, functionsOf, importsOf, lineOf, sourceFiles, type SourceFile } from './source-tree.js';

/** A room of src/ and the other rooms that it may import: the table of ARCHITECTURE.md. */
const arrows = new Map(
  [...readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').matchAll(/^\| `src\/(\w+)(?:\/|\.ts)` \|.*\|(.*)\|$/gm)].map(
    ([, room = '', imports = '']) => [room, imports.replaceAll(/\(.*?\)/g, '').match(/\w+/g) ?? []],
  ),
);
/** May import any room. */
const everything = ['commands', 'program', 'main'];

const source = sourceFiles('src');
const plain = [...sourceFiles('bench'), ...sourceFiles('scripts')];
const code = [...source, ...sourceFiles('test'), ...plain];
const vagueNames = new Set('msg req res cfg opts tmp data info handle process manager ctx cb err'.split(' '));

function roomOf(path: string): string {
  return path.split('/')[1]?.replace(/\.tsx?$/, '') ?? '';
}

function importers(packageName: string): string[] {
  return source.filter((file) => importsOf(file).includes(packageName)).map((file) => file.path);
}

/** Places where an expression such as `process.stdout` or `console.log` stands. */
function uses(file: SourceFile, expression: RegExp): string[] {
  return file.nodes
    .filter((node) => ts.isPropertyAccessExpression(node) && expression.test(node.getText(file.tree)))
    .map((node) => `${file.path}:${lineOf(file, node.getStart(file.tree))}`);
}

describe('imports', () => {
  it('follow the arrows between the rooms', () => {
    const wrong = source.flatMap((file) => {
      const room = roomOf(file.path);
      if (everything.includes(room)) return [];
      return importsOf(file)
        .filter((path) => path.startsWith('src/'))
        .filter((path) => ![room, 'errors', ...(arrows.get(room) ?? [])].includes(roomOf(path)))
        .map((path) => `${file.path} -> ${path}`);
    });
    expect(wrong).toEqual([]);
  });

  it('never lead from one engine to the other', () => {
    const wrong = source.flatMap((file) => {
      const [, engine] = /^src\/engine\/(docker|host)\//.exec(file.path) ?? [];
      const other = `src/engine/${engine === 'host' ? 'docker' : 'host'}/`;
      if (engine === undefined) return [];
      return importsOf(file)
        .filter((path) => path.startsWith(other))
        .map((path) => `${file.path} -> ${path}`);
    });
    expect(wrong).toEqual([]);
  });

  it('know every room, and no room that is gone', () => {
    const rooms = new Set(source.map((file) => roomOf(file.path)).filter((room) => room !== 'errors'));
    expect([...arrows.keys()].sort()).toEqual([...rooms].sort());
  });

  it('never lead from one command to another', () => {
    const wrong = source
      .filter((file) => roomOf(file.path) === 'commands')
      .flatMap((file) => importsOf(file).map((path) => [file.path, path] as const))
      .filter(([, path]) => path.startsWith('src/commands/'));
    expect(wrong).toEqual([]);
  });

  it('never lead back to the process from below', () => {
    const wrong = source
      .filter((file) => !everything.includes(roomOf(file.path)))
      .filter((file) => importsOf(file).some((path) => ['src/main', 'src/program'].includes(path)));
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('reach Docker only from the engine room', () => {
    expect(importers('dockerode').filter((path) => !path.startsWith('src/engine/'))).toEqual([]);
    const execa = importers('execa');
    expect(execa).toContain('src/engine/exec.ts');
    expect(execa.filter((path) => !/^src\/engine\/(exec\.ts$|docker\/)/.test(path))).toEqual([]);
  });

  it('start programs only in the engine room', () => {
    const starters = source.filter((file) => importsOf(file).some((name) => /^(node:)?child_process$/.test(name)));
    expect(starters.map((file) => file.path).filter((path) => !path.startsWith('src/engine/'))).toEqual([]);
  });

  it('reach SQLite only from the ledger', () => {
    const sqlite = importers('better-sqlite3');
    expect(sqlite).toContain('src/ledger/open.ts');
    expect(sqlite.filter((path) => !path.startsWith('src/ledger/'))).toEqual([]);
  });
});

describe('files', () => {
  it('print only in output/ and main.ts', () => {
    const places = source
      .filter((file) => roomOf(file.path) !== 'output' && file.path !== 'src/main.ts')
      .flatMap((file) => uses(file, /^(process\.(stdout|stderr)|console\.\w+)$/));
    expect(places).toEqual([]);
  });

  it('are no barrels and have names that say what lives in them', () => {
    const vague = /^(index|utils?|helpers?|common|managers?|types|misc|shared)(\.|$)/;
    const wrong = code.filter((file) =>
      file.path
        .split('/')
        .slice(1)
        .some((part) => vague.test(part)),
    );
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('have at most 300 lines', () => {
    const long = code.map((file) => ({ path: file.path, lines: file.text.trimEnd().split('\n').length }));
    expect(long.filter(({ lines }) => lines > 300)).toEqual([]);
  });

  it('open with a comment on what lives there', () => {
    expect(source.filter((file) => !/^(\/\/|\/\*\*)/.test(file.text)).map((file) => file.path)).toEqual([]);
  });

  it('have the test in the folder of what it tests', () => {
    const rooms = new Set([
      ...source.map((file) => roomOf(file.path)),
      'recipes',
      'compose',
      'scripts',
      'templates',
      'docs',
    ]);
    const wrong = sourceFiles('test/unit')
      .map((file) => file.path.split('/').slice(2))
      .filter((parts) => parts.length > 1 && !rooms.has(parts[0] ?? ''));
    expect(wrong).toEqual([]);
  });
});

describe('functions', () => {
  it('have at most 40 lines', () => {
    expect(plain.length).toBeGreaterThan(5);
    expect([...source, ...plain].flatMap(functionsOf).filter(({ lines }) => lines > 40)).toEqual([]);
  });

  it('name things in words', () => {
    expect([...source, ...plain].flatMap(declaredNames).filter(({ name }) => vagueNames.has(name))).toEqual([]);
  });

  it('disable no rule without a reason', () => {
    const disabled = code.flatMap((file) =>
      file.text
        .split('\n')
        .filter((line) => /eslint-disable|@ts-expect-error/.test(line) && file.path !== 'test/unit/structure.test.ts')
        .filter((line) => !/(eslint-disable\S* .+ -- \S|@ts-expect-error:? \S)/.test(line))
        .map((line) => `${file.path}: ${line.trim()}`),
    );
    expect(disabled).toEqual([]);
  });
});

describe('the house', () => {
  // docs/decisions/0005: of each request's call, closures were a tenth of the garbage.
  const perRequest = ['src/gateway/call.ts', 'src/gateway/chunk-queue.ts', 'src/gateway/phases.ts'];

  it('has no class but errors, and the parts of a call to an upstream', () => {
    const plain = source.filter(({ path }) => !perRequest.includes(path));
    const classes = plain.flatMap((file) =>
      file.nodes
        .filter((node): node is ts.ClassDeclaration => ts.isClassDeclaration(node))
        .filter((node) => !/Error$/.test(node.heritageClauses?.[0]?.types[0]?.expression.getText(file.tree) ?? ''))
        .map((node) => `${file.path}: ${node.name?.text ?? ''}`),
    );
    expect(classes).toEqual([]);
  });

  it('matches on codes, never on the text of an error', () => {
    const pattern = /(message|stderr)\.(includes|match|startsWith|endsWith|search)$/;
    expect(source.flatMap((file) => uses(file, pattern))).toEqual([]);
  });
});

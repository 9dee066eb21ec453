// docs/errors.md lists every code that the source can end with, and the exit status that it really has.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { root, sourceFiles, type SourceFile } from '../source-tree.js';

const page = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
const documented = new Map(
  [...page.matchAll(/^\| `([A-Z_]+)` \| (\d+) \|/gm)].map(([, code = '', status]) => [code, Number(status)]),
);
const source = sourceFiles('src');
const literals = new Set(source.flatMap((file) => file.nodes.filter(ts.isStringLiteral).map(({ text }) => text)));
const inSource = new Set([...source.flatMap(codesIn), ...codesWithStatus(), ...trainerCodes()]);

describe('docs/errors.md', () => {
  it('lists every code that the source names', () => {
    expect(inSource.size).toBeGreaterThan(30);
    expect([...inSource].filter((code) => !documented.has(code)).sort()).toEqual([]);
  });

  it('lists no code that is gone', () => {
    expect([...documented.keys()].filter((code) => !inSource.has(code)).sort()).toEqual([]);
  });

  it('gives each code the exit status that it has', () => {
    const wrong = [...documented].filter(([code, status]) => new MlxError(code, '').exitStatus !== status);
    expect(wrong).toEqual([]);
  });
});

/** What stands as the first argument of MlxError, as `code:` of a failure, or in a table of codes. */
function codesIn(file: SourceFile): string[] {
  return file.nodes
    .filter((node): node is ts.StringLiteral => ts.isStringLiteral(node) && /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(node.text))
    .filter((node) => isCodePlace(node))
    .map((node) => node.text);
}

function isCodePlace(node: ts.StringLiteral): boolean {
  let place: ts.Node = node;
  // A code may be chosen: `new MlxError(missing ? 'A' : 'B', ...)`.
  while (ts.isConditionalExpression(place.parent) || ts.isParenthesizedExpression(place.parent)) place = place.parent;
  const { parent } = place;
  if (ts.isNewExpression(parent)) return parent.expression.getText() === 'MlxError' && parent.arguments?.[0] === place;
  return ts.isPropertyAssignment(parent) && /^(code|errorCode)$/.test(parent.name.getText());
}

/** Codes of the table in errors.ts that some file names, wherever it hands them on. */
function codesWithStatus(): string[] {
  const table = source.find(({ path }) => path === 'src/errors.ts');
  const names = table?.nodes.filter(ts.isPropertyAssignment).map(({ name }) => name.getText()) ?? [];
  return names.filter((name) => /^[A-Z]/.test(name) && literals.has(name));
}

/** The trainer's own codes come through its `error` event (docs/trainer-contract.md). */
function trainerCodes(): string[] {
  const contract = readFileSync(join(root, 'docs', 'trainer-contract.md'), 'utf8');
  return contract
    .split('\n')
    .filter((line) => line.startsWith('| `error`'))
    .flatMap((line) => [...line.matchAll(/`([A-Z_]{4,})`/g)].map(([, code = '']) => code));
}

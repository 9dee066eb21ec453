// YAML files that people write: parsed with their positions, changed by flags or variables, checked strictly.
// mlx.yaml and recipes come through here, so that their errors read the same.
import { readFile } from 'node:fs/promises';

import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import type { z } from 'zod';

import { errorCode, MlxError, type Problem } from '../errors.js';
import { schemaProblems, type KeyPath } from './problems.js';

/** A value that a flag or a variable puts over the file's. `source` is how its errors name it: `--set seed=x`, `MLX_ENGINE`. */
export type Override = { path: string[]; value: unknown; source: string };

export type YamlFile<Value> = {
  value: Value;
  /** As in the file, before overrides and defaults. */
  written: Record<string, unknown>;
  lineOf: (path: KeyPath) => number | undefined;
};

export type YamlSource = {
  file: string;
  /** How errors name the file: as the person would write it. */
  shown: string;
  /** Taken instead of what the file holds. */
  text?: string;
  overrides?: readonly Override[];
};

/** @throws MlxError `code` with every problem; CONFIG_MISSING or RECIPE_NOT_FOUND are the caller's to check beforehand */
export async function parseYamlFile<Schema extends z.ZodType>(
  schema: Schema,
  source: YamlSource,
  code: string,
): Promise<YamlFile<z.output<Schema>>> {
  const { written, lineOf } = await readYaml(source, code);
  const overrides = source.overrides ?? [];
  const merged = structuredClone(written);
  for (const override of overrides) setAt(merged, override.path, override.value);
  const parsed = parseLeniently(schema, merged);
  if (parsed.success) return { value: parsed.data, written, lineOf };
  const place = (path: KeyPath): Pick<Problem, 'file' | 'line'> => {
    const line = lineOf(path);
    const override = overrides.findLast((candidate) => covers(candidate.path, path, line));
    if (override) return { file: override.source };
    return { file: source.shown, line: line ?? nearestLine(lineOf, path) };
  };
  throw invalid(source.shown, code, schemaProblems(schema, parsed.error.issues, merged, place));
}

async function readYaml(source: YamlSource, code: string): Promise<Omit<YamlFile<unknown>, 'value'>> {
  const text = source.text ?? (await readText(source, code));
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      file: source.shown,
      line: lineCounter.linePos(error.pos[0]).line,
      message: `is not YAML here: ${error.message}`,
    }));
    throw invalid(source.shown, code, problems);
  }
  const written = plainValue(document);
  if (!isObject(written)) {
    const message = 'must be keys and values (key: value), one a line; an alias (*name) needs its anchor (&name)';
    throw invalid(source.shown, code, [{ file: source.shown, line: 1, message }]);
  }
  return { written, lineOf: (path) => lineAt(document, lineCounter, path) };
}

/** @returns undefined for an alias without its anchor, or aliases nested to blow up the memory: yaml throws for both */
function plainValue(document: Document): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

async function readText(source: YamlSource, code: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(source.file));
  } catch (error) {
    const why = errorCode(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : errorCode(error);
    throw new MlxError(code, `${source.shown} cannot be read: ${why ?? 'unknown reason'}.`, { cause: error });
  }
}

/** A section whose keys are all comments reads as null: the same as a section left out. */
function parseLeniently<Schema extends z.ZodType>(
  schema: Schema,
  merged: Record<string, unknown>,
): z.ZodSafeParseResult<z.output<Schema>> {
  const parsed = schema.safeParse(merged);
  if (parsed.success) return parsed;
  const sections = parsed.error.issues.filter((issue) => issue.code === 'invalid_type' && issue.expected === 'object');
  const removed = sections.filter(({ path }) => removeNull(merged, path));
  return removed.length > 0 ? schema.safeParse(merged) : parsed;
}

function removeNull(target: unknown, [key = '', ...rest]: KeyPath): boolean {
  if (!isObject(target) || typeof key !== 'string' || !Object.hasOwn(target, key)) return false;
  if (rest.length > 0) return removeNull(target[key], rest);
  return target[key] === null && Reflect.deleteProperty(target, key);
}

function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  // defineProperty, so that a key named __proto__ is a key like any other (and then an unknown one).
  const assign = (inner: unknown): void =>
    void Object.defineProperty(target, key, { value: inner, enumerable: true, writable: true, configurable: true });
  if (rest.length === 0) return assign(value);
  const current: unknown = Object.hasOwn(target, key) ? target[key] : undefined;
  const inner = isObject(current) ? current : {};
  assign(inner);
  setAt(inner, rest, value);
}

/** True when the override is what put the value at `path` there. */
function covers(overridden: readonly string[], path: KeyPath, line: number | undefined): boolean {
  const shared = overridden.every((key, index) => index >= path.length || key === path[index]);
  return shared && (overridden.length <= path.length || line === undefined);
}

function lineAt(document: Document, lineCounter: LineCounter, path: KeyPath): number | undefined {
  let node: Node | undefined = document.contents ?? undefined;
  let offset: number | undefined;
  for (const key of path) {
    const item: unknown = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key))
      : isSeq(node)
        ? node.items[Number(key)]
        : undefined;
    if (item === undefined) return undefined;
    const start = isPair(item) ? item.key : item;
    offset = (start as Node).range?.[0];
    node = (isPair(item) ? item.value : item) as Node | undefined;
  }
  return offset === undefined ? undefined : lineCounter.linePos(offset).line;
}

/** A missing key has no line: that of the section it is missing from. */
function nearestLine(lineOf: (path: KeyPath) => number | undefined, path: KeyPath): number {
  for (let length = path.length - 1; length > 0; length -= 1) {
    const line = lineOf(path.slice(0, length));
    if (line !== undefined) return line;
  }
  return 1;
}

function invalid(shown: string, code: string, problems: Problem[]): MlxError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new MlxError(code, `${shown} has ${count}.`, {
    problems,
    hint: 'Correct what is listed, then run the same command again.',
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

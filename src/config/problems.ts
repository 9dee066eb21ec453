// What a strict schema found wrong, in words for the person who wrote the file: what was found, what belongs there,
// and the nearest known name. Pure.
import { z } from 'zod';

import type { Problem } from '../errors.js';
import { nearestName } from './nearest.js';

export type KeyPath = readonly PropertyKey[];

type Issue = z.core.$ZodIssue;
type Place = (path: KeyPath) => Pick<Problem, 'file' | 'line'>;
type JsonSchema = {
  properties?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  /** Of a record, whose keys the person chose; false where keys are fixed. */
  additionalProperties?: JsonSchema | boolean;
};

export function schemaProblems(schema: z.ZodType, issues: readonly Issue[], value: unknown, place: Place): Problem[] {
  const known = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
  return issues
    .flatMap((issue) => flatten(issue, value))
    .flatMap(({ issue, path }) => {
      const at = (inner: KeyPath, message: string): Problem => ({ ...place(inner), path: inner.join('.'), message });
      if (issue.code !== 'unrecognized_keys') return [at(path, describe(issue, valueAt(value, path)))];
      return issue.keys.map((key) => at([...path, key], unknownKey(key, knownKeys(known, path))));
    })
    .sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
}

type Located = { issue: Issue; path: KeyPath };

/** Of a union, only the complaints of the alternative that the person seems to have meant. */
function flatten(issue: Issue, value: unknown, base: KeyPath = []): Located[] {
  const path = [...base, ...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [{ issue, path }];
  const branches = issue.errors.map((errors) => errors.flatMap((error) => flatten(error, value, path)));
  const meant = branches.filter((branch) => !branch.some((located) => isWrongKind(located, path)));
  if (meant.length > 0) return meant.reduce((best, branch) => (weight(branch) < weight(best) ? branch : best));
  const expected = branches.flat().map(({ issue: inner }) => (inner.code === 'invalid_type' ? inner.expected : ''));
  const kinds = [...new Set(expected.filter((kind) => kind !== '').map((kind) => nouns[kind] ?? kind))];
  const message = wrongKind(kinds.join(' or '), valueAt(value, path));
  return [{ issue: { code: 'custom', path: [], message, input: undefined }, path }];
}

function isWrongKind({ issue, path }: Located, root: KeyPath): boolean {
  return issue.code === 'invalid_type' && path.length === root.length;
}

function weight(branch: readonly Located[]): number {
  return branch.reduce((sum, { issue }) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
}

function describe(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongKind(nouns[issue.expected] ?? issue.expected, value);
    case 'invalid_value': {
      const nearest = typeof value === 'string' ? nearestName(value, issue.values.map(String)) : undefined;
      const guess = nearest === undefined ? '' : `; did you mean ${nearest}?`;
      return `must be one of ${issue.values.map(String).join(', ')}, not ${nounOf(value)}${guess}`;
    }
    case 'too_small':
      return tooFar(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum, value);
    case 'too_big':
      return tooFar(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum, value);
    case 'invalid_format':
      if (issue.format === 'url') return 'must be an address such as http://127.0.0.1:5000';
      return `${nounOf(value)} does not fit; allowed: ${issue.message}`;
    case 'invalid_key':
      return `is no name that fits; allowed: ${issue.issues.map(({ message }) => message).join(', ')}`;
    case 'invalid_union':
    case 'invalid_element':
    case 'unrecognized_keys':
    case 'not_multiple_of':
    case 'custom':
      return issue.message;
  }
}

function wrongKind(expected: string, value: unknown): string {
  if (value === undefined) return `is missing: it needs ${expected}`;
  return value === null ? `has no value: it needs ${expected}` : `must be ${expected}, not ${nounOf(value)}`;
}

function tooFar(origin: string, relation: string, bound: number | bigint, value: unknown): string {
  if (origin === 'array') return `needs ${relation} ${bound} ${bound === 1 ? 'item' : 'items'}`;
  if (origin === 'string') return Number(bound) <= 1 ? 'must not be empty' : `needs ${relation} ${bound} characters`;
  return `must be ${relation} ${bound}, not ${nounOf(value)}`;
}

const nouns: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of keys',
};

function nounOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return `the text '${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a group of keys';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return 'a group of keys';
}

function unknownKey(key: string, known: readonly string[]): string {
  const nearest = nearestName(key, known);
  if (nearest !== undefined) return `unknown key; did you mean ${nearest}?`;
  return known.length === 0 ? 'unknown key' : `unknown key; known here: ${known.join(', ')}`;
}

function knownKeys(schema: JsonSchema, path: KeyPath): string[] {
  const [key, ...rest] = path;
  const alternatives = schema.anyOf ?? [schema];
  if (key === undefined) return [...new Set(alternatives.flatMap((one) => Object.keys(one.properties ?? {})))];
  return alternatives.flatMap((one) => {
    const named = typeof one.additionalProperties === 'object' ? one.additionalProperties : undefined;
    const inner = one.properties?.[String(key)] ?? one.items ?? named;
    return inner === undefined ? [] : knownKeys(inner, rest);
  });
}

function valueAt(value: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}

// A lock: everything that a recipe resolved to in one run, and what came out. Written beside the recipe, read by `mlx replay`.
// Field names are those of the YAML file. The rows' own hashes stand in a second file, so that a person can read this one.
import { createHash } from 'node:crypto';

import { Document, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';

import { MlxError } from '../errors.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const split = z.strictObject({
  sources: z.string(),
  rows: z.int(),
  file_sha256: sha256.describe('The prepared JSONL: rows in their order'),
  merkle_root: sha256.describe('Over the sorted row hashes: the same set of rows, whatever the order'),
});

const lockSchema = z.strictObject({
  lock: z.literal(1),
  written_by: z.string(),
  recipe: z.strictObject({
    name: z.string(),
    file: z.string().describe('Relative to the project'),
    overrides: z.array(z.string()).describe('As given with --set; a replay gives them again'),
    settings: z.record(z.string(), z.string()).describe('Every setting, flat'),
    origins: z.record(z.string(), z.enum(['recipe', 'flag', 'default'])),
  }),
  base_model: z.strictObject({
    repository: z.string(),
    commit: z.string().nullable(),
    files: z.record(z.string(), sha256).nullable(),
    tokenizer_sha256: sha256.nullable(),
    chat_template_sha256: sha256.nullable(),
  }),
  dataset: z.strictObject({ train: split, held_out: split }),
  runtime: z.strictObject({
    engine: z.enum(['docker', 'host']),
    reference: z.string().nullable().describe('What it is made from: the same on every machine'),
    id: z.string().nullable().describe('What it became on this machine'),
    python: z.string().nullable(),
    scripts: z.record(z.string(), sha256).describe('The trainer, file by file'),
    packages: z
      .record(z.string(), z.string())
      .nullable()
      .describe('Version, and hash of the archives that may be installed'),
  }),
  rows_sha256: sha256.optional().describe('The .rows file beside the lock; absent in locks of an older mlx'),
  code: z.strictObject({ commit: z.string().nullable(), patch_sha256: sha256.nullable() }),
  machine: z.strictObject({
    platform: z.string(),
    device: z.string(),
    driver: z.string().nullable(),
    cuda: z.string().nullable(),
    cpu: z.string(),
    threads: z.int().describe('Processors that a program may use'),
  }),
  determinism: z.strictObject({
    class: z.enum(['bit-exact', 'within-tolerance', 'none']),
    reason: z.string(),
    environment: z.record(z.string(), z.string()),
    seeds: z.record(z.string(), z.int()),
  }),
  results: z.strictObject({
    run: z.string(),
    weights: z.record(z.string(), sha256).describe('By file'),
    adapter_sha256: sha256,
    steps: z.int(),
    tokens: z.int(),
    duration_ms: z.number(),
    final_loss: z.number().describe('The last of loss_curve; in a lock of an earlier mlx their mean'),
    scores: z.record(z.string(), z.number()),
    loss_curve: z.array(z.tuple([z.int(), z.number()])),
  }),
});

export type Lock = z.infer<typeof lockSchema>;

/** What can be known without running: the lock but for its results. */
export type Resolved = Omit<Lock, 'results' | 'lock' | 'written_by' | 'rows_sha256'>;

/** `recipes/tickets.yaml` -> `recipes/tickets.lock.yaml`. */
export function lockFileOf(recipeFile: string): string {
  return recipeFile.replace(/\.ya?ml$/, '.lock.yaml');
}

/** `recipes/tickets.lock.yaml` -> `recipes/tickets.lock.rows`. */
export function rowsFileOf(lockFile: string): string {
  return lockFile.replace(/\.yaml$/, '.rows');
}

const header = `# Written by mlx train: what this recipe resolved to, and what came out. Commit it; do not edit it.
# Check it against today:  mlx replay NAME --check        Run it again:  mlx replay NAME
# file_sha256 is that of the rows as they were prepared for the training (.mlx/runs/ID/data), not of the files in sources.
`;

/** Keys in the schema's order, those of records sorted: the same lock is the same text. */
export function renderLock(lock: Lock): string {
  const document = new Document(sortRecords(lockSchema.parse(lock)), { aliasDuplicateObjects: false });
  // A point of the curve is a line.
  visit(document, { Seq: (key, node) => void (typeof key === 'number' && (node.flow = true)) });
  const body = document.toString({ lineWidth: 0 });
  return `${header}${body}lock_sha256: ${hashText(body)}\n`;
}

/**
 * @throws MlxError LOCK_EDITED when the text is not as mlx wrote it, LOCK_NEWER, LOCK_INVALID
 */
export function parseLock(text: string, file: string): Lock {
  const content = readContent(text, file);
  if (typeof content.lock === 'number' && content.lock > 1) {
    throw new MlxError('LOCK_NEWER', `${file} has lock version ${content.lock}; this mlx knows 1.`, {
      hint: 'Use the newer mlx that wrote it.',
    });
  }
  const { lock_sha256: claimed, ...fields } = content as Record<string, unknown>;
  if (claimed !== hashText(bodyOf(text))) {
    throw new MlxError('LOCK_EDITED', `${file} was changed after mlx wrote it: its hash does not fit.`, {
      hint: `Take the written one back (git checkout -- ${file}), or write it anew: mlx train`,
    });
  }
  const parsed = lockSchema.safeParse(fields);
  if (parsed.success) return parsed.data;
  throw new MlxError('LOCK_INVALID', `${file} lacks what a lock holds.`, {
    problems: parsed.error.issues.map((issue) => ({ file, path: issue.path.join('.'), message: issue.message })),
    hint: comeBack(file),
  });
}

function readContent(text: string, file: string): { lock: unknown } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const conflict = text.split('\n').findIndex((line) => line.startsWith('<<<<<<< ')) + 1;
  if (conflict > 0) {
    throw new MlxError('LOCK_INVALID', `${file} holds a merge conflict, first at line ${conflict}.`, {
      hint: `Take one side whole (git checkout --ours -- ${file}, or --theirs) with its .rows, or write it anew: mlx train`,
    });
  }
  const [error] = document.errors;
  if (error !== undefined) throw noLock(file, `line ${lines.linePos(error.pos[0]).line} is not YAML: ${error.message}`);
  const content: unknown = document.toJS();
  if (text.trim() === '') throw noLock(file, 'it is empty');
  if (typeof content !== 'object' || content === null || !('lock' in content)) throw noLock(file, 'it says no lock: 1');
  return content;
}

function noLock(file: string, why: string): MlxError {
  return new MlxError('LOCK_INVALID', `${file} is not a lock: ${why}.`, { hint: comeBack(file) });
}

function comeBack(file: string): string {
  return `Take the written one back (git checkout -- ${file}), or write it anew: mlx train`;
}

/** The same on every machine, whatever git makes of line endings. */
export function hashRowsFile(text: string): string {
  return hashText(text.replaceAll('\r\n', '\n'));
}

/** Without the comments above and the hash below. */
function bodyOf(text: string): string {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  return lines.filter((line) => !line.startsWith('#') && !line.startsWith('lock_sha256:')).join('\n');
}

function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Only the free-form records (packages, settings, ...) are sorted; the schema's own order reads better. */
function sortRecords(value: unknown, path = ''): unknown {
  if (Array.isArray(value) || value === null || typeof value !== 'object') return value;
  const free = /\.(settings|origins|files|scripts|packages|environment|seeds|weights|scores)$/.test(path);
  const entries = Object.entries(value);
  if (free) entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortRecords(inner, `${path}.${key}`)]));
}

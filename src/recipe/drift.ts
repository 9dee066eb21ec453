// What a lock says against what the same recipe resolves to today, field by field, before any compute is spent. Pure.
import type { Resolved } from './lock.js';

/** `ok` the same · `drift` not the same · `unknown` not recorded on one of the two sides. */
export type DriftStatus = 'ok' | 'drift' | 'unknown';

export type DriftRow = {
  field: string;
  status: DriftStatus;
  locked: string;
  today: string;
  /** Accepted by the person, or of a kind that cannot change the result (`code`, `runtime.id`). */
  allowed: boolean;
  /** Not there today, or unreadable: to allow it would help nobody. */
  missing: boolean;
};

/** Every field; those with `.*` are groups whose entries a recipe, a model or a runtime names. */
const knownFields = [
  'recipe.overrides',
  'recipe.settings.*',
  'base_model.repository',
  'base_model.commit',
  'base_model.files.*',
  'base_model.tokenizer',
  'base_model.chat_template',
  'dataset.train.rows',
  'dataset.train.order',
  'dataset.held_out.rows',
  'dataset.held_out.order',
  'runtime.engine',
  'runtime.reference',
  'runtime.id',
  'runtime.python',
  'runtime.scripts.*',
  'runtime.packages.*',
  'code.commit',
  'code.patch',
  'machine.platform',
  'machine.device',
  'machine.driver',
  'machine.cuda',
  'machine.cpu',
  'machine.threads',
  'determinism.environment.*',
  'determinism.seeds.*',
] as const;

const openGroups = knownFields.filter((field) => field.endsWith('.*')).map((field) => field.slice(0, -2));

/** Committing the lock itself changes the commit; an image that is built again from the same inputs has another id. */
const informational = ['code', 'runtime.id'];

/**
 * @param allowed fields, or the beginnings of fields (`machine`, `runtime.packages.numpy`), whose drift is accepted
 * @returns a row a field; groups of equal entries (files, packages, settings) are one row
 */
export function compareLock(lock: Resolved, today: Resolved, allowed: readonly string[] = []): DriftRow[] {
  const rows = [
    ...overrides(lock.recipe.overrides, today.recipe.overrides),
    ...record('recipe.settings', lock.recipe.settings, today.recipe.settings),
    value('base_model.repository', lock.base_model.repository, today.base_model.repository),
    value('base_model.commit', lock.base_model.commit, today.base_model.commit),
    ...maybeRecord('base_model.files', lock.base_model.files, today.base_model.files),
    value('base_model.tokenizer', lock.base_model.tokenizer_sha256, today.base_model.tokenizer_sha256),
    value('base_model.chat_template', lock.base_model.chat_template_sha256, today.base_model.chat_template_sha256),
    ...dataset('train', lock, today),
    ...dataset('held_out', lock, today),
    value('runtime.engine', lock.runtime.engine, today.runtime.engine),
    value('runtime.reference', lock.runtime.reference, today.runtime.reference),
    value('runtime.id', lock.runtime.id, today.runtime.id),
    value('runtime.python', lock.runtime.python, today.runtime.python),
    ...record('runtime.scripts', lock.runtime.scripts, today.runtime.scripts),
    ...maybeRecord('runtime.packages', lock.runtime.packages, today.runtime.packages),
    value('code.commit', lock.code.commit, today.code.commit),
    value('code.patch', lock.code.patch_sha256, today.code.patch_sha256),
    value('machine.platform', lock.machine.platform, today.machine.platform),
    value('machine.device', lock.machine.device, today.machine.device),
    value('machine.driver', lock.machine.driver, today.machine.driver),
    value('machine.cuda', lock.machine.cuda, today.machine.cuda),
    value('machine.cpu', lock.machine.cpu, today.machine.cpu),
    value('machine.threads', String(lock.machine.threads), String(today.machine.threads)),
    ...record('determinism.environment', lock.determinism.environment, today.determinism.environment),
    ...record('determinism.seeds', texts(lock.determinism.seeds), texts(today.determinism.seeds)),
  ];
  const accepted = [...informational, ...allowed];
  return rows.map((row) => ({
    ...row,
    missing: row.field.startsWith('base_model.files.') && row.today === 'none',
    allowed: covers(accepted, row.field),
  }));
}

/** Fields and groups that drift can be allowed of; of an open group not its entries. */
export function allowableFields(): string[] {
  const names = knownFields.map((field) => field.replace('.*', ''));
  const groups = names.flatMap((name) =>
    name.split('.').map((_part, index, parts) => parts.slice(0, index + 1).join('.')),
  );
  return [...new Set(groups)];
}

export function isAllowable(field: string): boolean {
  return allowableFields().includes(field) || openGroups.some((group) => field.startsWith(`${group}.`));
}

/** What the person has to allow for this drift to stop nothing: several entries of a group by the group's name. */
export function toAllow(rows: readonly DriftRow[]): string[] {
  const fields = decisiveDrift(rows).filter(({ missing }) => !missing);
  const groups = fields.map(({ field }) => openGroups.find((group) => field.startsWith(`${group}.`)) ?? field);
  return [...new Set(groups)].map((group) => {
    const [first, second] = fields.filter((_row, index) => groups[index] === group);
    return first === undefined || second !== undefined ? group : first.field;
  });
}

/** Drift that the person allowed, and would have been decisive. */
export function allowedDrift(rows: readonly DriftRow[]): DriftRow[] {
  return rows.filter(({ field, status, allowed }) => status === 'drift' && allowed && !covers(informational, field));
}

/** The rows that stop a replay. */
export function decisiveDrift(rows: readonly DriftRow[]): DriftRow[] {
  return rows.filter((row) => row.status === 'drift' && !row.allowed);
}

function covers(prefixes: readonly string[], field: string): boolean {
  return prefixes.some((prefix) => field === prefix || field.startsWith(`${prefix}.`));
}

type Compared = Omit<DriftRow, 'allowed' | 'missing'>;

function value(field: string, locked: string | null, today: string | null): Compared {
  const status =
    locked === null && today === null
      ? 'ok'
      : locked === null || today === null
        ? 'unknown'
        : locked === today
          ? 'ok'
          : 'drift';
  return { field, status, locked: locked ?? 'none', today: today ?? 'not known here' };
}

/** Named only where there are some: they are given again, and the recipe alone does not say them. */
function overrides(locked: readonly string[], today: readonly string[]): Compared[] {
  if (locked.length + today.length === 0) return [];
  return [value('recipe.overrides', locked.join(', '), today.join(', '))];
}

/** Not on this machine: unknown as a whole. */
function maybeRecord(
  field: string,
  locked: Record<string, string> | null,
  today: Record<string, string> | null,
): Compared[] {
  if (locked === null || today === null) return [value(field, count(locked), count(today))];
  return record(field, locked, today);
}

function count(entries: Record<string, string> | null): string | null {
  return entries === null ? null : counted(Object.keys(entries).length);
}

function counted(entries: number): string {
  return entries === 1 ? '1 entry' : `${entries} entries`;
}

/** One row for all that is equal, and a row for each entry that is not. */
function record(field: string, locked: Record<string, string>, today: Record<string, string>): Compared[] {
  const names = [...new Set([...Object.keys(locked), ...Object.keys(today)])].sort();
  const different = names.filter((name) => locked[name] !== today[name]);
  const same = names.length - different.length;
  const summary: Compared[] =
    same > 0 ? [{ field, status: 'ok', locked: `${same} equal`, today: `${same} equal` }] : [];
  const rows = different.map((name): Compared => ({
    field: `${field}.${name}`,
    status: 'drift',
    locked: locked[name] ?? 'none',
    today: today[name] ?? 'none',
  }));
  return [...summary, ...rows];
}

/** The set of rows and their order are two questions: the same rows in another order train another adapter. */
function dataset(name: 'train' | 'held_out', lock: Resolved, today: Resolved): Compared[] {
  const [locked, now] = [lock.dataset[name], today.dataset[name]];
  return [
    value(`dataset.${name}.rows`, locked.merkle_root, now.merkle_root),
    ...(locked.merkle_root === now.merkle_root
      ? [value(`dataset.${name}.order`, locked.file_sha256, now.file_sha256)]
      : []),
  ];
}

function texts(numbers: Record<string, number>): Record<string, string> {
  return Object.fromEntries(Object.entries(numbers).map(([key, number]) => [key, String(number)]));
}

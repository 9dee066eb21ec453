// Which key a person means: by its id, its name, or the first letters of its id.
import { MlxError } from '../../errors.js';
import type { ApiKey } from '../../ledger/keys.js';

/** @throws MlxError NOT_FOUND, AMBIGUOUS, USAGE for a key's own text, which must not stand in a shell's history */
export function findKey(keys: readonly ApiKey[], wanted: string): ApiKey {
  if (looksSecret(wanted)) {
    throw new MlxError('USAGE', 'Name a key by its id, not by the secret itself.', {
      hint: 'See the ids: mlx keys ls',
    });
  }
  const exact = keys.filter(({ id, name }) => id === wanted || name === wanted);
  const valid = exact.filter(({ revokedAtMs }) => revokedAtMs === null);
  const found = valid.length > 0 ? valid : exact.length > 0 ? exact : keys.filter(({ id }) => id.startsWith(wanted));
  const [first] = found;
  if (!first) throw new MlxError('NOT_FOUND', `There is no key '${wanted}'.`, { hint: namesOf(keys) });
  if (found.length === 1) return first;
  throw new MlxError('AMBIGUOUS', `'${wanted}' fits ${found.length} keys: ${found.map(({ id }) => id).join(', ')}.`, {
    hint: 'Name it by its id',
  });
}

const mostNamed = 10;

function namesOf(keys: readonly ApiKey[]): string {
  const names = keys.flatMap(({ id, name, revokedAtMs }) => (revokedAtMs === null ? [name ?? id] : []));
  if (names.length === 0) return 'Make one: mlx keys create NAME';
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
  return `There are: ${names.slice(0, mostNamed).join(', ')}${more}. See them all: mlx keys ls`;
}

/** What no key can be found by, and so no key may be named. */
export function looksSecret(text: string): boolean {
  return text.startsWith('mlx_');
}

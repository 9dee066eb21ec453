import { describe, expect, it } from 'vitest';

import { redactionSchema, toRedaction } from '../../../src/config/redaction-schema.js';
import { kinds } from '../../../src/privacy/spans.js';

const redactionOf = (file: unknown) => toRedaction(redactionSchema.parse(file));

describe('gateway.redaction', () => {
  it('is on, for all kinds that need no detector of names', () => {
    expect(redactionOf({})).toEqual({
      enabled: true,
      kinds: kinds.filter((kind) => kind !== 'name'),
      phoneRegions: ['US', 'JP'],
      allowMedia: false,
      namesUrl: undefined,
    });
  });

  it.each(['http://127.0.0.1:5005/names', 'http://[::1]:5005', 'unix:/run/names.sock'])(
    'takes names along with a detector at %s',
    (url) => {
      expect(redactionOf({ names: { url } })).toMatchObject({ kinds, namesUrl: url });
      expect(redactionOf({ names: { url }, kinds: ['name'] })).toMatchObject({ kinds: ['name'] });
    },
  );

  it.each([
    [{ kinds: ['name'] }, 'kinds'],
    [{ kinds: [] }, 'kinds'],
    [{ kinds: ['passport'] }, 'kinds.0'],
    [{ names: { url: 'http://example.com/names' } }, 'names.url'],
    [{ names: { url: 'http://127.0.0.1.example.com:80/' } }, 'names.url'],
    [{ names: { url: 'https://localhost:5005/' } }, 'names.url'],
    [{ phone_regions: ['Japan'] }, 'phone_regions.0'],
    [{ on_failure: 'send' }, ''],
  ])('refuses %j', (file, path) => {
    const issues = redactionSchema.safeParse(file).error?.issues.map((issue) => issue.path.join('.'));
    expect(issues).toEqual([path]);
  });
});

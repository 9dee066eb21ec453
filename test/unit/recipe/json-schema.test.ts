import { expect, test } from 'vitest';

import { recipeJsonSchema } from '../../../src/recipe/json-schema.js';

test('docs/recipe.schema.json is the schema of today (npx vitest run -u test/unit/recipe writes it)', async () => {
  await expect(`${JSON.stringify(recipeJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
    '../../../docs/recipe.schema.json',
  );
});

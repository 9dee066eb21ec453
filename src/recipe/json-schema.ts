// The recipe's JSON Schema, for editors: docs/recipe.schema.json is this, and a test proves it is current.
import { z } from 'zod';

import { recipeSchema } from './schema.js';

export function recipeJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(recipeSchema, { io: 'input' });
  return { $schema, title: 'mlx recipe', description: 'What to train, from what, and how it is judged.', ...schema };
}

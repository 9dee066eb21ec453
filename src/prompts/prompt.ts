// A prompt: a template of messages, kept in the project as prompts/NAME.md, so that it is versioned with everything else.
import { z } from 'zod';

const variableName = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'lower case letters, digits and underscore');

/** The part between the lines of dashes. */
export const frontMatterSchema = z.strictObject({
  name: z.string().optional().describe('As the file is called'),
  description: z.string().optional(),
  variables: z
    .record(
      variableName,
      z
        .strictObject({
          description: z.string().optional(),
          default: z.union([z.string(), z.number(), z.boolean()]).optional(),
        })
        .nullable(),
    )
    .default({}),
  parameters: z
    .strictObject({
      temperature: z.number().min(0).optional(),
      top_p: z.number().gt(0).max(1).optional(),
      max_tokens: z.int().positive().optional(),
      stop: z.array(z.string().min(1)).optional(),
    })
    .prefault({})
    .describe('For requests that do not set them'),
});

export type FrontMatter = z.infer<typeof frontMatterSchema>;

export type Role = 'system' | 'user' | 'assistant';

export type Message = { role: Role; content: string };

export type Prompt = {
  name: string;
  description: string;
  variables: { name: string; description: string; default: Value | undefined }[];
  parameters: FrontMatter['parameters'];
  /** Templates; `renderPrompt` fills them. */
  messages: Message[];
  /** Of the whole file, line ends and the space at its end made alike. */
  sha256: string;
};

/** A list repeats its section. */
export type Value = string | number | boolean | readonly string[];

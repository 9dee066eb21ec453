// The prompts of the project as the gateway uses them: read when they are first asked for and again when their file changed.
// Of a file that is wrong just now, the one before counts.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { isMlxError } from '../../errors.js';
import { loadPrompt } from '../../prompts/load.js';
import type { Prompt } from '../../prompts/prompt.js';

/** @throws MlxError PROMPT_NOT_FOUND, PROMPT_INVALID */
export type FindPrompt = (name: string) => Promise<Prompt>;

export function openPromptStore(folder: string): FindPrompt {
  const known = new Map<string, { version: string; prompt: Prompt }>();
  return async (name) => {
    const version = await fileVersion(join(folder, `${name}.md`));
    const before = known.get(name);
    if (before !== undefined && before.version === version) return before.prompt;
    try {
      const prompt = await loadPrompt(folder, name);
      if (version !== undefined) known.set(name, { version, prompt });
      return prompt;
    } catch (error) {
      if (before === undefined || !isMlxError(error, 'PROMPT_INVALID')) throw error;
      return before.prompt;
    }
  };
}

async function fileVersion(file: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    // loadPrompt says what is wrong with it.
    return undefined;
  }
}

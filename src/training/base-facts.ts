// A base model as a lock names it: the SHA-256 of each file, of the tokenizer and of the chat template. Reads MLX_HOME/models.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

import type { HomePaths } from '../config/paths.js';
import type { Lock } from '../recipe/lock.js';
import { folderManifest } from './base-model.js';
import { commitFolder, describeFiles, isUntouched, manifestName, readManifest } from './model-store.js';

export type BaseFacts = Pick<Lock['base_model'], 'files' | 'tokenizer_sha256' | 'chat_template_sha256'>;

/**
 * As it lies on disk today. @returns undefined when it is not on this machine
 * @param verify reads every byte; else only files whose size or time changed since they were verified
 */
export async function baseFacts(
  home: HomePaths,
  repository: string,
  commit: string,
  verify: boolean,
): Promise<BaseFacts | undefined> {
  const folder = isAbsolute(repository) ? repository : commitFolder(home.models, repository, commit);
  const manifest = readManifest(isAbsolute(repository) ? folderManifest(home, repository) : join(folder, manifestName));
  if (!existsSync(folder) || (manifest === undefined && !isAbsolute(repository))) return undefined;
  const isKnown = manifest !== undefined && !verify && isUntouched(folder, manifest);
  const described = isKnown ? manifest.files : await describeFiles(folder, new Map(), () => undefined);
  const files = Object.fromEntries(described.map(({ path, sha256 }) => [path, sha256]));
  return {
    files,
    tokenizer_sha256: files['tokenizer.json'] ?? files['tokenizer.model'] ?? null,
    chat_template_sha256: files['chat_template.jinja'] ?? templateInConfig(folder),
  };
}

/** Older models keep the template inside tokenizer_config.json. */
function templateInConfig(folder: string): string | null {
  const file = join(folder, 'tokenizer_config.json');
  if (!existsSync(file)) return null;
  const { chat_template: template } = JSON.parse(readFileSync(file, 'utf8')) as { chat_template?: unknown };
  if (template === undefined || template === null) return null;
  return createHash('sha256').update(JSON.stringify(template)).digest('hex');
}

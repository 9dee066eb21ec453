// Placeholders in a whole JSON answer, wherever its strings are.
import { looksLikeJson, restoreText, type Originals } from './restore-text.js';

/** Arguments of tool calls are JSON in a string (OpenAI), also in pieces (Anthropic). */
const jsonKeys = new Set(['arguments', 'partial_json']);
/** Signed or sealed by the provider, which gets them back: what was changed would be refused. */
const sealedKeys = new Set(['thinking', 'signature', 'encrypted_content']);

/** @returns the body unchanged when it holds no placeholder that was given out */
export function restoreBody(body: string, originals: Originals): string {
  if (originals.size === 0) return body;
  try {
    return JSON.stringify(restoreValue(JSON.parse(body), originals));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return restoreText(body, originals, false);
  }
}

export function restoreValue(value: unknown, originals: Originals, key = ''): unknown {
  if (typeof value === 'string') {
    if (sealedKeys.has(key)) return value;
    return restoreText(value, originals, jsonKeys.has(key) || looksLikeJson(value));
  }
  if (Array.isArray(value)) return value.map((item) => restoreValue(item, originals, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      restoreText(name, originals, false),
      restoreValue(inner, originals, name),
    ]),
  );
}

// OpenAI and every compatible host. https://platform.openai.com/docs/api-reference
import type { Operation } from '../exchange.js';

/** The base URL ends in `/v1`, as OPENAI_BASE_URL does. */
export const openAiPaths: Partial<Record<Operation, string>> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
  responses: '/responses',
};

export function openAiHeaders(secret: string | undefined): Record<string, string> {
  return secret === undefined ? {} : { authorization: `Bearer ${secret}` };
}

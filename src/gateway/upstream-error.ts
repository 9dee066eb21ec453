// Refusals of model servers, in the shape that OpenAI's clients expect: vLLM's pass as they are, FastAPI's own
// (`{"detail": ...}`) are put into it.
import { z } from 'zod';

import { errorBody } from './api-error.js';

const openAiShape = z.object({ error: z.object({ message: z.string() }) });
const fastApiShape = z.object({ detail: z.union([z.string(), z.array(z.object({ msg: z.string() }))]) });

/** @returns the text unchanged when it has the shape already */
export function upstreamError(text: string, status: number, path: string): string {
  const value = parse(text);
  if (openAiShape.safeParse(value).success) return text;
  const client = status < 500;
  const missing = status === 404 || status === 405;
  return JSON.stringify(
    errorBody(
      'openai',
      {
        status,
        type: client ? 'invalid_request_error' : 'server_error',
        code: missing ? 'unsupported_endpoint' : client ? 'refused_by_server' : 'upstream_failed',
        message: missing
          ? `The model server does not offer ${path}.`
          : `The model server answered with status ${status}${reasonOf(value)}.`,
      },
      '',
    ),
  );
}

function reasonOf(value: unknown): string {
  const detail = fastApiShape.safeParse(value).data?.detail;
  if (detail === undefined) return '';
  return `: ${typeof detail === 'string' ? detail : detail.map(({ msg }) => msg).join('; ')}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

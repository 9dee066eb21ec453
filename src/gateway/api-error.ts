// Errors in the shape of each dialect, as answers and as the last event of a stream that broke.
// https://platform.openai.com/docs/guides/error-codes and https://docs.anthropic.com/en/api/errors
import type { Dialect, Refusal } from './exchange.js';

export type OpenAiError = { error: { message: string; type: string; param: string | null; code: string } };
export type AnthropicError = { type: 'error'; error: { type: string; message: string }; request_id: string };

/** Anthropic has no codes: the type says what a client can act on. */
const anthropicTypes: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  413: 'request_too_large',
  422: 'invalid_request_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

export function errorBody(dialect: Dialect, refusal: Refusal, requestId: string): OpenAiError | AnthropicError {
  const { status, type, code, message, param } = refusal;
  if (dialect === 'openai') return { error: { message, type, param: param ?? null, code } };
  const anthropicType = anthropicTypes[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
  return { type: 'error', error: { type: anthropicType, message }, request_id: requestId };
}

/** The last event of a stream that broke: clients raise it as an error instead of taking the part for the whole. */
export function errorEvent(dialect: Dialect, refusal: Refusal, requestId: string): Buffer {
  const name = dialect === 'anthropic' ? 'event: error\n' : '';
  return Buffer.from(`${name}data: ${JSON.stringify(errorBody(dialect, refusal, requestId))}\n\n`);
}

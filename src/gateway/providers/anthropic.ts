// Anthropic, and hosts that speak its Messages API. https://docs.anthropic.com/en/api/versioning
import type { GatewayRequest, Operation } from '../exchange.js';

/** The base URL has no `/v1`, as ANTHROPIC_BASE_URL has none. */
export const anthropicPaths: Partial<Record<Operation, string>> = {
  messages: '/v1/messages',
  count_tokens: '/v1/messages/count_tokens',
};

/** The version that translated requests are written for. */
const ownVersion = '2023-06-01';

export function anthropicHeaders(
  secret: string | undefined,
  request: GatewayRequest | undefined,
): Record<string, string> {
  const version = request?.headers['anthropic-version'];
  const beta = request?.headers['anthropic-beta'];
  return {
    'anthropic-version': typeof version === 'string' ? version : ownVersion,
    ...(typeof beta === 'string' ? { 'anthropic-beta': beta } : {}),
    ...(secret === undefined ? {} : { 'x-api-key': secret }),
  };
}

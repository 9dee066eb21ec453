// What the gateway knows of a dialect's hosts: where an operation lives, and how a key is shown. OpenAI's is what every
// compatible host speaks too (Azure, Together, Groq, Fireworks, Bedrock, Google, vLLM, SGLang, llama.cpp, transformers).
import type { Dialect, GatewayRequest, Operation } from '../exchange.js';
import { anthropicHeaders, anthropicPaths } from './anthropic.js';
import { openAiHeaders, openAiPaths } from './openai.js';

export type Provider = {
  /** Behind the base URL as the dialect's official client takes it. */
  paths: Partial<Record<Operation, string>>;
  /** `request` is there when the client speaks the same dialect: then some of its headers belong to the call. */
  headers: (secret: string | undefined, request: GatewayRequest | undefined) => Record<string, string>;
};

const providers: Record<Dialect, Provider> = {
  openai: { paths: openAiPaths, headers: openAiHeaders },
  anthropic: { paths: anthropicPaths, headers: anthropicHeaders },
};

export function providerOf(dialect: Dialect): Provider {
  return providers[dialect];
}

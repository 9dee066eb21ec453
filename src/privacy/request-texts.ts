// Where a request body (OpenAI's and Anthropic's dialects) carries what people wrote: everywhere. Every string, number and key is
// read, so that a field that is new tomorrow is redacted rather than let through; only how it is read differs by place.
// Fields: https://platform.openai.com/docs/api-reference , https://docs.anthropic.com/en/api/messages
import { rewriteText, type Rewrite } from './json-text.js';

export type RequestTexts = {
  fields: Record<string, unknown>;
  /** Parts that cannot be read as text: `messages.0.content.1 (image_url)`. */
  media: string[];
  /** Parts that refer to texts that are not here, or are token numbers: `previous_response_id`. */
  unreadable: string[];
};

/** Read first whatever their place, so that numbering stays the same while a conversation grows. */
const growing = new Set(['messages', 'input', 'prompt']);
/** Names of the protocol, and what a provider sealed. */
const protocolKeys = new Set(
  'model role type id call_id tool_call_id tool_use_id item_id name object status signature encrypted_content'.split(
    ' ',
  ),
);
/** Below these keys stands what an application defined, with keys of its own. */
const dataKeys = new Set('arguments parameters input_schema schema metadata variables'.split(' '));
const mediaTypes = new Set(
  'image_url input_image image input_audio audio file input_file document video video_url container_upload computer_screenshot'.split(
    ' ',
  ),
);
/** Labels of what is no text of a person; no key of an application reads like that. */
export const signedThinking = 'thinking, signed';
export const protocolName = 'name, of the protocol';
/** Texts kept at the provider: what stands in for what there is known to nobody here. */
const rememberedKeys = ['previous_response_id', 'conversation'];

/** Calls `rewrite` for each text, in an order that does not depend on how the client ordered its keys. */
export function rewriteRequest(body: Record<string, unknown>, rewrite: Rewrite): RequestTexts {
  const media: string[] = [];
  const unreadable = rememberedKeys.filter((key) => body[key] !== undefined && body[key] !== null);
  for (const key of ['input', 'prompt']) if (isTokens(body[key])) unreadable.push(key);
  const walk = walker(rewrite, media);
  const keys = Object.keys(body);
  const ordered = [...keys.filter((key) => !growing.has(key)), ...keys.filter((key) => growing.has(key))];
  const rewritten = new Map(ordered.map((key) => [key, walk(body[key], [key], dataKeys.has(key))]));
  return {
    fields: Object.fromEntries(keys.map((key) => [rewrite(key, protocolName), rewritten.get(key)])),
    media,
    unreadable,
  };
}

type Walk = (value: unknown, path: readonly string[], isData: boolean) => unknown;

function walker(rewrite: Rewrite, media: string[]): Walk {
  const walk: Walk = (value, path, isData) => {
    const key = path.findLast((part) => !/^\d+$/.test(part)) ?? '';
    if (typeof value === 'string') return rewriteString(value, key, path, isData);
    if (typeof value === 'number') {
      const text = String(value);
      const rewritten = Math.abs(value) < 1e6 ? text : rewrite(text, key);
      return rewritten === text ? value : rewritten;
    }
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, String(index)], isData));
    if (typeof value !== 'object' || value === null) return value;
    const part = value as Record<string, unknown>;
    if (!isData && isMedia(part)) {
      media.push(`${path.join('.')} (${String(part['type'])})`);
      return value;
    }
    return rewriteObject(part, path, isData);
  };
  const rewriteString = (value: string, key: string, path: readonly string[], isData: boolean): string => {
    const isProtocol = !isData && (protocolKeys.has(key) || isSealed(path, key));
    if (isProtocol && isIdentifier(value)) return rewrite(value, protocolName);
    if (isEncodedFile(value)) {
      media.push(path.join('.'));
      return value;
    }
    const label = isData ? key : key === 'thinking' ? signedThinking : '';
    return rewriteText(value, label, rewrite);
  };
  const rewriteObject = (part: Record<string, unknown>, path: readonly string[], isData: boolean) => {
    const calls = typeof part['type'] === 'string' && part['type'].endsWith('tool_use');
    const entries = Object.entries(part).map(([key, inner]) => {
      const isInnerData = isData || dataKeys.has(key) || (calls && key === 'input');
      return [rewrite(key, isData ? '' : protocolName), walk(inner, [...path, key], isInnerData)] as const;
    });
    return Object.fromEntries(entries);
  };
  return walk;
}

/** A document whose source is text is text. */
function isMedia(part: Record<string, unknown>): boolean {
  const { type, source } = part;
  if (typeof type !== 'string' || !mediaTypes.has(type)) return false;
  const sourceType = typeof source === 'object' && source !== null && 'type' in source ? source.type : undefined;
  return !(type === 'document' && (sourceType === 'text' || sourceType === 'content'));
}

/** `data` of Anthropic's redacted_thinking. */
function isSealed(path: readonly string[], key: string): boolean {
  return key === 'data' && path.includes('content');
}

/** Letters and digits without spaces: the names of people are elsewhere. */
function isIdentifier(text: string): boolean {
  return /^[\w.:/+=-]*$/.test(text);
}

function isEncodedFile(text: string): boolean {
  return /^data:[\w/+.-]+;base64,/.test(text) || (text.length >= 1024 && /^[A-Za-z0-9+/_=\r\n-]+$/.test(text));
}

function isTokens(value: unknown): boolean {
  return Array.isArray(value) && value.some((item) => typeof item === 'number' || isTokens(item));
}

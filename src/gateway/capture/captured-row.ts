// One finished request, with what was asked and answered, as a redacted row. Throws rather than let anything through unredacted.
import type { CaptureRow } from '../../capture/row.js';
import type { TrafficRow } from '../../ledger/traffic.js';
import { redactTogether, type RedactionRules } from '../../privacy/redact-request.js';
import type { Finished } from '../node-server.js';
import { servedId } from '../shadow.js';
import type { Taken } from './tap.js';
import { wholeAnswer } from './whole-answer.js';

/** Of the question: what was said, and what shapes the answer. Names of users, keys of caches and the like are not kept. */
const keptFields = new Set(
  (
    'messages system input instructions prompt suffix tools tool_choice response_format text output_config temperature top_p ' +
    'top_k max_tokens max_completion_tokens max_output_tokens stop stop_sequences seed presence_penalty frequency_penalty'
  ).split(' '),
);

/** @returns undefined for what nobody can redact (media, token numbers) or read. @throws when redaction fails */
export async function capturedRow(
  row: TrafficRow,
  request: Finished['request'],
  { operation, question, streamed, parts }: Taken,
  rules: RedactionRules,
): Promise<CaptureRow | undefined> {
  const answer = wholeAnswer(operation, Buffer.concat(parts).toString('utf8'), streamed);
  if (answer === undefined) return undefined;
  const asked = Object.fromEntries(Object.entries(question.fields).filter(([name]) => keptFields.has(name)));
  const redacted = await redactTogether([asked, answer], rules);
  if ('refusal' in redacted) return undefined;
  const [askedSafely, answeredSafely] = redacted.bodies;
  const { startedAtMs, upstream, model, version, digest, keyId, tenant, feature, prompt } = row;
  return {
    requestId: servedId(row.requestId),
    role: request.trace.role ?? 'primary',
    route: row.route ?? question.model,
    ...{ startedAtMs, operation, upstream, model, version, digest, keyId, tenant, feature, prompt },
    finishReason: row.finishReason,
    inputTokens: row.inputTokens,
    outputTokens: row.outputTokens,
    durationMs: row.durationMs,
    identifiers: redacted.originals.size,
    request: JSON.stringify(askedSafely),
    answer: JSON.stringify(answeredSafely),
  };
}

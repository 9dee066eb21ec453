// The gateway's redaction: nothing personal in what goes to an upstream that is not on this machine, and everything back in its
// answer. A request that cannot be redacted is refused, never sent.
import { errorCode, errorMessage } from '../errors.js';
import { redactRequest, type RedactionRules } from '../privacy/redact-request.js';
import { openStreamRestorer } from '../privacy/restore-stream.js';
import type { Originals } from '../privacy/restore-text.js';
import { restoreBody } from '../privacy/restore-value.js';
import { refuse, type GatewayRequest, type GatewayResponse } from './exchange.js';
import type { AnswerShape, Passage, Stages } from './stages.js';

/** @param rulesOf what counts for a route; undefined: its requests go as they are */
export function redactionStage(rulesOf: (route: string) => RedactionRules | undefined): Stages['redact'] {
  return async (request, question, { route }) => {
    try {
      const rules = rulesOf(route);
      if (rules === undefined) return undefined;
      const redacted = await redactRequest(question.fields, rules);
      if ('refusal' in redacted) return notRedactable(request, redacted.refusal);
      if (redacted.originals.size === 0) return undefined;
      return { fields: redacted.fields, restore: (shape) => restorePassage(shape, redacted.originals) };
    } catch (error) {
      return failed(request, error);
    }
  };
}

function restorePassage({ streamed }: AnswerShape, originals: Originals): Passage {
  if (streamed) return openStreamRestorer(originals);
  return {
    push: (bytes) => Buffer.from(restoreBody(bytes.toString('utf8'), originals)),
    end: () => Buffer.alloc(0),
  };
}

function notRedactable(request: GatewayRequest, why: string): GatewayResponse {
  request.trace.errorClass = 'not_redactable';
  return refuse(request, {
    status: 400,
    type: 'invalid_request_error',
    code: 'not_redactable',
    message: `This request would leave the machine, and ${why}.`,
  });
}

/** The reason goes to the log alone, and without any text of the request. */
function failed(request: GatewayRequest, error: unknown): GatewayResponse {
  request.trace.errorClass = 'redaction_failed';
  request.trace.failure = `redaction: ${errorCode(error) ?? errorMessage(error)}`;
  return refuse(request, {
    status: 503,
    type: 'server_error',
    code: 'redaction_failed',
    message: 'This request would leave the machine, and its redaction failed; nothing was sent.',
  });
}

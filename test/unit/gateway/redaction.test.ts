import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import type { GatewayResponse } from '../../../src/gateway/exchange.js';
import { openNameDetector, type NameDetector } from '../../../src/gateway/name-detector.js';
import { isResponse } from '../../../src/gateway/question.js';
import { redactionStage } from '../../../src/gateway/redaction.js';
import type { Redacted } from '../../../src/gateway/stages.js';
import type { RedactionRules } from '../../../src/privacy/redact-request.js';
import { kinds } from '../../../src/privacy/spans.js';
import { scratchFolder } from '../engine/scratch.js';
import { bodyOf, questionOf, requestOf } from './exchange.js';

const rules: RedactionRules = { kinds, phoneRegions: ['US', 'JP'], allowMedia: false, findNames: undefined };
const leaving = { route: 'gpt', dataClass: 'internal', upstream: 'openai', upstreamModel: 'gpt-5' } as const;
const chatShape = { status: 200, dialect: 'openai', operation: 'chat', streamed: false } as const;

function asked(content: string) {
  return questionOf({ model: 'gpt', messages: [{ role: 'user', content }] });
}

function redactedOf(result: Redacted | GatewayResponse | undefined): Redacted {
  if (result === undefined || isResponse(result)) throw new Error('It was not redacted.');
  return result;
}

function refusalOf(result: Redacted | GatewayResponse | undefined): GatewayResponse {
  if (result === undefined || !isResponse(result)) throw new Error('It was not refused.');
  return result;
}

describe('redaction before an upstream elsewhere', () => {
  it('sends placeholders, and puts what they stand for into the answer', async () => {
    const stage = redactionStage(() => rules);
    const { fields, restore } = redactedOf(await stage(requestOf(), asked('I am jane@example.com'), leaving));
    expect(JSON.stringify(fields)).not.toContain('jane');
    const passage = restore(chatShape);
    const answer = JSON.stringify({ choices: [{ message: { content: 'Hello [EMAIL_1]!' } }] });
    expect(passage.push(Buffer.from(answer)).toString()).toBe(answer.replace('[EMAIL_1]', 'jane@example.com'));
    expect(passage.end()).toHaveLength(0);
  });

  it('puts it into a streamed answer as well', async () => {
    const stage = redactionStage(() => rules);
    const { restore } = redactedOf(await stage(requestOf(), asked('I am jane@example.com'), leaving));
    const passage = restore({ ...chatShape, streamed: true });
    const piece = (content: string): Buffer =>
      Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
    const out = [passage.push(piece('Hello [EMA')), passage.push(piece('IL_1]')), passage.end()].join('');
    expect(out).toContain('jane@example.com');
    expect(out).not.toContain('[EMA');
  });

  it('lets a request go as it is when there is nothing in it, or the route says so', async () => {
    expect(await redactionStage(() => rules)(requestOf(), asked('Hello'), leaving)).toBeUndefined();
    expect(await redactionStage(() => undefined)(requestOf(), asked('I am jane@example.com'), leaving)).toBeUndefined();
  });

  it('refuses what it cannot read, in the dialect of the client', async () => {
    const stage = redactionStage(() => rules);
    const image = {
      model: 'gpt',
      messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'https://x/y' } }] }],
    };
    const response = refusalOf(await stage(requestOf('messages'), questionOf(image, 'messages'), leaving));
    expect(response.status).toBe(400);
    expect(bodyOf(response)).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: expect.stringContaining('(image)') as string },
    });
  });

  it('refuses when it fails, without a word of the request', async () => {
    const findNames = async () => Promise.reject(new Error('boom'));
    const request = requestOf();
    const response = refusalOf(
      await redactionStage(() => ({ ...rules, findNames }))(request, asked('I am Jane'), leaving),
    );
    expect(response.status).toBe(503);
    expect(bodyOf(response)).toMatchObject({ error: { code: 'redaction_failed' } });
    expect(JSON.stringify([response.body, request.trace])).not.toContain('Jane');
  });

  it('refuses a request that is nested too deeply to be read', async () => {
    const deep = `${'['.repeat(200_000)}"jane@example.com"${']'.repeat(200_000)}`;
    const question = questionOf({ model: 'gpt' });
    const result = await redactionStage(() => rules)(
      requestOf(),
      { ...question, fields: { messages: JSON.parse(deep) as unknown } },
      leaving,
    );
    expect(refusalOf(result).status).toBe(503);
  });
});

describe('the detector of names', () => {
  const open: { server: Server; detector: NameDetector }[] = [];
  afterEach(async () => {
    for (const { server, detector } of open.splice(0)) {
      await detector.close();
      server.closeAllConnections();
      server.close();
    }
  });

  /** A real server that answers with `answer`. */
  async function detectorWith(answer: unknown, status = 200): Promise<NameDetector> {
    const server = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(status).end(JSON.stringify(answer)));
    });
    const socket = join(scratchFolder(), 'names.sock');
    server.listen(socket);
    await once(server, 'listening');
    const detector = openNameDetector(`unix:${socket}`);
    open.push({ server, detector });
    return detector;
  }

  it('counts in characters, and its names become placeholders', async () => {
    const { find } = await detectorWith({ names: [[{ start: 2, end: 6 }]] });
    expect(await find(['😀 Jane'])).toEqual([[{ start: 3, end: 7, kind: 'name' }]]);
    const { fields } = redactedOf(
      await redactionStage(() => ({ ...rules, findNames: find }))(requestOf(), asked('😀 Jane'), leaving),
    );
    expect(fields).toMatchObject({ messages: [{ content: '😀 [NAME_1]' }] });
  });

  it.each([
    ['another status', { names: [[]] }, 500],
    ['another form', { spans: [] }, 200],
    ['too few texts', { names: [] }, 200],
    ['a place outside of the text', { names: [[{ start: 0, end: 99 }]] }, 200],
  ])('makes the request refused when it answers with %s', async (_, answer, status) => {
    const { find } = await detectorWith(answer, status);
    const result = await redactionStage(() => ({ ...rules, findNames: find }))(requestOf(), asked('Jane'), leaving);
    expect(refusalOf(result).status).toBe(503);
  });

  it('makes the request refused when it is not there', async () => {
    const detector = openNameDetector(`unix:${join(scratchFolder(), 'nobody.sock')}`);
    const result = await redactionStage(() => ({ ...rules, findNames: detector.find }))(
      requestOf(),
      asked('Jane'),
      leaving,
    );
    expect(refusalOf(result).status).toBe(503);
    await detector.close();
  });
});

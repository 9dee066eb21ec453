import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from 'vitest';

import type { Operation } from '../../../../src/gateway/exchange.js';
import { promptExpander, type ExpandPrompt } from '../../../../src/gateway/prompting/expand.js';
import { openPromptStore } from '../../../../src/gateway/prompting/store.js';
import { isResponse } from '../../../../src/gateway/question.js';
import { scratchFolder } from '../../engine/scratch.js';
import { bodyOf, questionOf, requestOf } from '../exchange.js';

const answer = `---
variables: { ticket: , language: { default: English } }
parameters: { temperature: 0.2, max_tokens: 300, stop: [END] }
---
# system
Answer in {{language}}.
# user
{{ticket}}
`;

let folder: string;
let expand: ExpandPrompt;

beforeEach(() => {
  folder = join(scratchFolder(), 'prompts');
  mkdirSync(folder);
  writeFileSync(join(folder, 'answer.md'), answer);
  expand = promptExpander(openPromptStore(folder), (route) => (route === 'support' ? 'answer' : undefined));
});

const variables = { ticket: 'Where is it?' };

async function fieldsOf(fields: Record<string, unknown>, operation: Operation = 'chat'): Promise<unknown> {
  const result = await expand(requestOf(operation), questionOf(fields, operation));
  if (isResponse(result)) throw new Error(JSON.stringify(bodyOf(result)));
  expect(JSON.parse(result.body.toString())).toEqual(result.fields);
  return result.fields;
}

async function refusalOf(fields: Record<string, unknown>, operation: Operation = 'chat') {
  const request = requestOf(operation);
  const result = await expand(request, questionOf(fields, operation));
  if (!isResponse(result)) throw new Error('It was not refused.');
  return { status: result.status, text: JSON.stringify(bodyOf(result)), trace: request.trace };
}

describe('a question with a prompt', () => {
  it("has its messages before the client's own, and its parameters where the client sent none", async () => {
    const sent = {
      model: 'tickets',
      messages: [{ role: 'user', content: 'Hurry' }],
      temperature: 1,
      mlx_prompt: { name: 'answer', variables },
    };
    expect(await fieldsOf(sent)).toEqual({
      model: 'tickets',
      temperature: 1,
      max_tokens: 300,
      stop: ['END'],
      messages: [
        { role: 'system', content: 'Answer in English.' },
        { role: 'user', content: 'Where is it?' },
        { role: 'user', content: 'Hurry' },
      ],
    });
    const newer = { messages: [], max_completion_tokens: 5, mlx_prompt: { name: 'answer', variables } };
    expect(await fieldsOf(newer)).not.toHaveProperty('max_tokens');
  });

  it('has it in the words of Anthropic', async () => {
    const sent = {
      model: 'x',
      system: 'Be kind.',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hurry' }],
      mlx_prompt: { name: 'answer', variables },
    };
    const expected = {
      model: 'x',
      max_tokens: 9,
      system: [
        { type: 'text', text: 'Answer in English.' },
        { type: 'text', text: 'Be kind.' },
      ],
      messages: [
        { role: 'user', content: 'Where is it?' },
        { role: 'user', content: 'Hurry' },
      ],
    };
    expect(await fieldsOf(sent, 'messages')).toEqual({ ...expected, temperature: 0.2, stop_sequences: ['END'] });
    expect(await fieldsOf(sent, 'count_tokens')).toEqual(expected);
  });

  it('has it in the words of the Responses API', async () => {
    const sent = { input: 'Hurry', instructions: 'Be kind.', mlx_prompt: { name: 'answer', variables } };
    expect(await fieldsOf(sent, 'responses')).toEqual({
      temperature: 0.2,
      max_output_tokens: 300,
      instructions: 'Answer in English.\n\nBe kind.',
      input: [
        { role: 'user', content: 'Where is it?' },
        { role: 'user', content: 'Hurry' },
      ],
    });
  });

  it('leaves name and hash of the prompt for the traffic log', async () => {
    const request = requestOf();
    await expand(request, questionOf({ mlx_prompt: { name: 'answer', variables } }));
    expect(request.trace.prompt).toMatch(/^answer@[0-9a-f]{12}$/);
  });

  it('is the same object where no prompt is meant', async () => {
    const question = questionOf({ model: 'tickets', messages: [] });
    expect(await expand(requestOf(), question)).toBe(question);
  });

  it('takes the prompt of its route, and no other', async () => {
    expect(await fieldsOf({ model: 'support', mlx_prompt: { variables } })).toMatchObject({ temperature: 0.2 });
    const other = await refusalOf({ model: 'support', mlx_prompt: { name: 'other', variables } });
    expect(other).toMatchObject({ status: 400, text: expect.stringContaining("always takes 'answer'") as string });
    expect((await refusalOf({ model: 'support' })).text).toContain('needs a value for ticket');
  });

  it('is refused with what is wrong', async () => {
    expect((await refusalOf({ mlx_prompt: 'answer' })).text).toContain('must be');
    expect((await refusalOf({ mlx_prompt: { variables } })).text).toContain('names no prompt');
    const unknown = await refusalOf({ mlx_prompt: { name: '../answer' } });
    expect(unknown.text).toContain("names '../answer', which this project does not have");
    expect(unknown.text).not.toContain(folder);
    expect((await refusalOf({ prompt: 'x', mlx_prompt: { name: 'answer', variables } }, 'completions')).text).toContain(
      'takes no messages',
    );
    expect((await refusalOf({ mlx_prompt: { name: 'answer', variables: {} } }, 'messages')).text).toContain(
      '"type":"invalid_request_error"',
    );
  });

  it('follows its file, and stays with the last good one while that is wrong', async () => {
    const ask = async () =>
      (await fieldsOf({ mlx_prompt: { name: 'answer', variables } })) as { messages: { content: string }[] };
    expect((await ask()).messages[0]?.content).toBe('Answer in English.');
    writeFileSync(join(folder, 'answer.md'), answer.replace('Answer in', 'Reply to me in'));
    expect((await ask()).messages[0]?.content).toBe('Reply to me in English.');
    writeFileSync(join(folder, 'answer.md'), '# nothing');
    expect((await ask()).messages[0]?.content).toBe('Reply to me in English.');
    rmSync(join(folder, 'answer.md'));
    expect((await refusalOf({ mlx_prompt: { name: 'answer', variables } })).status).toBe(400);
  });

  it('is refused when its file never was right, and only the log says why', async () => {
    writeFileSync(join(folder, 'wrong.md'), 'secret text');
    const { status, text, trace } = await refusalOf({ mlx_prompt: { name: 'wrong' } });
    expect(status).toBe(500);
    expect(text).toContain('mlx prompts show wrong');
    expect(text).not.toContain('secret');
    expect(trace.failure).toBe('PROMPT_INVALID wrong');
  });
});

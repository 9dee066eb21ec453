import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { mlx, mlxJson } from './mlx.js';

const answer = `---
description: A short answer
variables:
  ticket: { description: What the customer wrote }
  language: { default: English }
parameters: { temperature: 0.2 }
---
# system
Answer in {{language}}.
# user
{{ticket}}
`;

function project(files: Record<string, string> = { 'answer.md': answer }): string {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-prompts-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'mlx.yaml'), '');
  mkdirSync(join(folder, 'prompts'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'prompts', name), text);
  return folder;
}

describe('mlx prompts', () => {
  it('lists what there is', async () => {
    const { stdout } = await mlx(['prompts', 'ls'], { folder: project() });
    expect(stdout).toMatchInlineSnapshot(`
      "prompt  variables         sha256        description
      answer  ticket, language  f9b014b176c1  A short answer
      "
    `);
    expect((await mlx(['prompts', 'ls'], { folder: project({}) })).stdout).toContain('There is no prompt yet');
  });

  it('shows one with its variables and messages', async () => {
    const { stdout } = await mlx(['prompts', 'show', 'answer'], { folder: project() });
    expect(stdout).toMatchInlineSnapshot(`
      "prompt        answer
      description   A short answer
      sha256        f9b014b176c1bc4eb5e123151143671233a7fe16f3f340d0644bdd1ef3b2b34d
      temperature   0.2
      {{ticket}}    What the customer wrote (needed)
      {{language}}  default English

      # system
      Answer in {{language}}.

      # user
      {{ticket}}
      "
    `);
  });

  it('renders one as a model would get it', async () => {
    const argv = ['prompts', 'render', 'answer', '--var', 'ticket=a=b & <c>', '--var', 'language=French'];
    const { value } = await mlxJson(argv, { folder: project() });
    expect(value).toMatchObject({
      name: 'answer',
      parameters: { temperature: 0.2 },
      messages: [
        { role: 'system', content: 'Answer in French.' },
        { role: 'user', content: 'a=b & <c>' },
      ],
    });
  });

  it('says what is missing and what does not fit', async () => {
    const folder = project();
    const missing = await mlx(['prompts', 'render', 'answer'], { folder });
    expect([missing.status, missing.stderr]).toEqual([
      2,
      expect.stringContaining('needs a value for ticket') as string,
    ]);
    const wrong = await mlx(['prompts', 'render', 'answer', '--var', 'ticket'], { folder });
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('--var NAME=VALUE') as string]);
    const unknown = await mlx(['prompts', 'show', 'answr'], { folder });
    expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining('The nearest: answer') as string]);
  });

  it('that routes name are told of by mlx gateway reload, with the variables that every request has to fill', async () => {
    const folder = project();
    writeFileSync(join(folder, 'mlx.yaml'), 'routes:\n  help: { primary: local/tickets, prompt: answer }\n');
    const { stdout, stderr } = await mlx(['gateway', 'reload', '--dry-run'], { folder });
    expect(stdout + stderr).toContain('Nothing but a request fills ticket of the prompt answer of the route help');
  });
});

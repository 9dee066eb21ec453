import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { routePromptNotes } from '../../../src/gateway/prompting/route-prompts.js';

const prompt = `---
variables:
  ticket: { description: What the customer wrote }
  product:
  language: { default: English }
---
# user
{{ticket}} {{product}} {{language}}
`;

function prompts(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-prompts-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'answer.md'), prompt);
  writeFileSync(join(folder, 'tone.md'), '---\n---\n# system\nBe kind.\n');
  writeFileSync(join(folder, 'broken.md'), 'no front matter');
  return folder;
}

const note = async (name: string | undefined) =>
  (await routePromptNotes([{ name: 'help', prompt: name }], prompts()))[0];

test('variables of a prompt that only a request can fill are named', async () => {
  expect(await note('answer')).toBe(
    'Nothing but a request fills ticket, product of the prompt answer of the route help: one without "prompt": {"variables": {"ticket": ...}} is refused.',
  );
});

test('a prompt without such variables, or none, needs no word', async () => {
  expect(await note('tone')).toBeUndefined();
  expect(await note(undefined)).toBeUndefined();
});

test('a prompt that is missing or wrong is told before a request meets it', async () => {
  expect(await note('anser')).toMatch(/^Every request to the route help is refused: There is no prompt 'anser'/);
  expect(await note('broken')).toMatch(/has one problem\. See it: mlx prompts show broken$/);
});

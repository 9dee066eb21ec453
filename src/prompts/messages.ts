// The body of a prompt file: a heading a message (`# system`, `# user`, `# assistant`), its template below. Mustache without
// partials (https://mustache.github.io/mustache.5.html). Pure; what is wrong comes back as problems.
import mustache from 'mustache';

import type { Problem } from '../errors.js';
import type { Message, Role } from './prompt.js';

export type ParsedBody = { messages: Message[]; used: Set<string>; problems: Omit<Problem, 'file'>[] };

const heading = /^# (system|user|assistant)\s*$/;

/** @param firstLine of the body in its file, from 1 */
export function parseBody(body: string, firstLine: number): ParsedBody {
  const problems: ParsedBody['problems'] = [];
  const used = new Set<string>();
  const parts = splitAtHeadings(body, firstLine, problems);
  for (const { line, content } of parts) {
    const names = templateNames(content);
    if (typeof names === 'string') problems.push({ line, message: names });
    else for (const name of names) used.add(name);
  }
  if (parts.length === 0)
    problems.push({ line: firstLine, message: 'has no message: write # user, and the text below it' });
  const late = parts.slice(1).find(({ role }) => role === 'system');
  if (late) problems.push({ line: late.line, message: '# system stands first, and once' });
  return { messages: parts.map(({ role, content }) => ({ role, content })), used, problems };
}

type Part = { role: Role; line: number; content: string };

function splitAtHeadings(body: string, firstLine: number, problems: ParsedBody['problems']): Part[] {
  const parts: { role: Role; line: number; lines: string[] }[] = [];
  for (const [index, text] of body.split('\n').entries()) {
    const role = heading.exec(text)?.[1];
    const line = firstLine + index;
    if (role !== undefined) parts.push({ role: role as Role, line, lines: [] });
    else if (parts.length > 0) parts.at(-1)?.lines.push(text);
    else if (text.trim() !== '')
      problems.push({ line, message: 'stands before the first # system, # user or # assistant' });
  }
  return parts.map(({ role, line, lines }) => {
    const content = lines.join('\n').replace(/^(?:[ \t]*\n)+|\s+$/g, '');
    if (content === '') problems.push({ line, message: `the message of # ${role} is empty` });
    return { role, line, content };
  });
}

/** [kind, name, start, end, the tokens inside]: what mustache's parser gives. */
type Token = [string, string, number, number, Token[]?];

/** @returns the names that a template uses, or what is wrong with it */
function templateNames(template: string): string[] | string {
  try {
    return namesOf(mustache.parse(template) as unknown as Token[]);
  } catch (error) {
    // Mustache's own error, of its own template: there is no code to tell it by.
    return `is no template: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function namesOf(tokens: readonly Token[]): string[] | string {
  const names: string[] = [];
  for (const [kind, name, , , inner] of tokens) {
    if (kind === '>') return `takes in another template (${name}), which is not possible here`;
    if (kind === '=') return 'changes the braces, which is not possible here';
    if (['name', '&', '#', '^'].includes(kind) && name !== '.') names.push(name);
    const deeper = kind === '#' || kind === '^' ? namesOf(inner ?? []) : [];
    if (typeof deeper === 'string') return deeper;
    names.push(...deeper);
  }
  return names;
}

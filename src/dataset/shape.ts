// The shapes that a row may have, and the one that all become: {"prompt": [message, ...], "completion": [message]}.
// Pure. What is wrong with a row is said without quoting it: rows may be confidential.
export type Shape = 'messages' | 'prompt_completion' | 'instruction';
export type Message = { role: string; content: string };
export type TrainingRow = { prompt: Message[]; completion: [Message] };
export type ShapedRow = { row: TrainingRow } | { problem: string };

const requiredKeys: Record<Shape, readonly string[]> = {
  messages: ['messages'],
  prompt_completion: ['prompt', 'completion'],
  instruction: ['instruction', 'output'],
};

export const shapeExamples = [
  '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}',
  '{"prompt": "...", "completion": "..."}',
  '{"instruction": "...", "input": "...", "output": "..."}',
];

/** The shape that most of the rows have; undefined when none has any. */
export function detectShape(values: readonly unknown[]): Shape | undefined {
  const shapes = Object.keys(requiredKeys) as Shape[];
  const counts = shapes.map((shape) => values.filter((value) => hasShape(value, shape)).length);
  const most = Math.max(...counts);
  return most === 0 ? undefined : shapes[counts.indexOf(most)];
}

export function shapeRow(value: unknown, shape: Shape): ShapedRow {
  if (!isObject(value)) return { problem: 'is not an object with keys' };
  if (!hasShape(value, shape)) {
    const missing = requiredKeys[shape].filter((key) => !(key in value));
    const found = Object.keys(value).slice(0, 6).join(', ');
    return { problem: `has no ${missing.join(' and no ')}; its keys are ${found === '' ? 'none' : found}` };
  }
  switch (shape) {
    case 'messages':
      return fromMessages(unwrapped(value['messages']), 'messages');
    case 'prompt_completion':
      return fromPromptCompletion(value['prompt'], value['completion']);
    case 'instruction':
      return fromInstruction(value);
  }
}

function hasShape(value: unknown, shape: Shape): boolean {
  return isObject(value) && requiredKeys[shape].every((key) => key in value);
}

function fromMessages(value: unknown, name: string): ShapedRow {
  const messages = parseMessages(value, name);
  if ('problem' in messages) return messages;
  const completion = messages.list.at(-1);
  const prompt = messages.list.slice(0, -1);
  if (completion?.role !== 'assistant') return { problem: 'does not end with an answer of the assistant' };
  const order = orderProblem(prompt);
  return order === undefined ? { row: { prompt, completion: [completion] } } : { problem: order };
}

function fromPromptCompletion(prompt: unknown, completion: unknown): ShapedRow {
  const asked = typeof prompt === 'string' ? textMessage('user', prompt, 'prompt') : parseMessages(prompt, 'prompt');
  if ('problem' in asked) return asked;
  const answered =
    typeof completion === 'string'
      ? textMessage('assistant', completion, 'completion')
      : parseMessages(completion, 'completion');
  if ('problem' in answered) return answered;
  const [answer, ...others] = answered.list;
  if (answer?.role !== 'assistant' || others.length > 0) {
    return { problem: 'completion must be one message of the assistant' };
  }
  const order = orderProblem(asked.list);
  return order === undefined ? { row: { prompt: asked.list, completion: [answer] } } : { problem: order };
}

function fromInstruction(value: Record<string, unknown>): ShapedRow {
  const { instruction, input, output } = value;
  if (typeof instruction !== 'string' || instruction.trim() === '')
    return { problem: 'instruction is empty or no text' };
  if (typeof output !== 'string' || output.trim() === '') return { problem: 'output is empty or no text' };
  if (input !== undefined && input !== null && typeof input !== 'string') return { problem: 'input is no text' };
  const content =
    input === undefined || input === null || input.trim() === '' ? instruction : `${instruction}\n\n${input}`;
  return { row: { prompt: [{ role: 'user', content }], completion: [{ role: 'assistant', content: output }] } };
}

type Messages = { list: Message[] } | { problem: string };

function textMessage(role: string, content: string, name: string): Messages {
  return content.trim() === '' ? { problem: `${name} is empty` } : { list: [{ role, content }] };
}

function parseMessages(value: unknown, name: string): Messages {
  if (!Array.isArray(value)) return { problem: `${name} is not a list of messages` };
  const list: Message[] = [];
  for (const [index, message] of (value as unknown[]).entries()) {
    const at = `message ${index + 1}`;
    if (!isObject(message)) return { problem: `${at} is not an object with role and content` };
    const { role, content } = message;
    if (typeof role !== 'string') return { problem: `${at} has no role` };
    if (!['system', 'user', 'assistant'].includes(role)) {
      return { problem: `${at} has the role '${role.slice(0, 20)}'; known: system, user, assistant` };
    }
    if (typeof content !== 'string') return { problem: `the content of ${at} is no text` };
    if (content.trim() === '') return { problem: `the content of ${at} is empty` };
    list.push({ role, content });
  }
  return list.length === 0 ? { problem: `${name} has no message` } : { list };
}

/** An optional system message, then user and assistant in turn, a user last. */
function orderProblem(prompt: readonly Message[]): string | undefined {
  const turns = prompt[0]?.role === 'system' ? prompt.slice(1) : prompt;
  if (turns.length === 0) return 'has no message of the user before the answer';
  const offset = prompt.length - turns.length;
  for (const [index, turn] of turns.entries()) {
    const expected = index % 2 === 0 ? 'user' : 'assistant';
    if (turn.role !== expected) {
      return `message ${index + offset + 1} is of the ${turn.role} where the ${expected}'s turn is`;
    }
  }
  return turns.length % 2 === 1 ? undefined : 'has two answers of the assistant in a row at its end';
}

/** A CSV cell can hold a list of messages only as JSON text. */
function unwrapped(value: unknown): unknown {
  if (typeof value !== 'string' || !value.trimStart().startsWith('[{')) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

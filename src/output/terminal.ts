// The Output of a real process: people's text or JSON, on the streams that main.ts was given.
import pc from 'picocolors';

import { MlxError } from '../errors.js';
import { toSnakeCase } from './json.js';
import type { Output } from './output.js';
import { openTicker } from './ticker.js';

export type Streams = {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
};

export function terminalOutput(
  streams: Streams,
  flags: { json: boolean; yes: boolean },
  environment: NodeJS.ProcessEnv,
  clock: () => number = () => performance.now(),
): Output {
  const { json, yes } = flags;
  const interactive = !json && streams.stderr.isTTY === true && !environment['CI'];
  const ticker = openTicker(streams.stderr, interactive && environment['TERM'] !== 'dumb', clock);
  const print = (stream: NodeJS.WritableStream, text: string): void => {
    ticker.clear();
    stream.write(text);
  };
  const printJson = (value: unknown): void => print(streams.stdout, `${JSON.stringify(toSnakeCase(value))}\n`);
  const note = (line: string): void => void (json || print(streams.stderr, `${line}\n`));

  return {
    json,
    interactive,
    columns: streams.stdout.isTTY === true ? (streams.stdout.columns ?? 80) : Infinity,
    note,
    progress: (event, line) => {
      if (json) printJson(event);
      else if (line !== undefined) note(line);
    },
    tick: (event, line, said) => {
      if (json) printJson(event);
      else ticker.show(line, said);
    },
    stream: (text) => {
      if (json) printJson({ event: 'text', text });
      else print(streams.stdout, text);
    },
    result: (value, render) => {
      if (json) return printJson(value);
      const text = render(value);
      ticker.clear();
      if (text !== '') print(streams.stdout, text.endsWith('\n') ? text : `${text}\n`);
    },
    error: (error) => {
      if (json)
        printJson({ error: { code: error.code, message: error.message, hint: error.hint, problems: error.problems } });
      else print(streams.stderr, `${renderError(error)}\n`);
    },
    confirm: async (question) => yes || ask(streams, interactive, question),
  };
}

/** What failed, every problem with its place, and the next command. */
export function renderError(error: MlxError): string {
  const problems = error.problems.map((problem) => {
    const place = [problem.file, problem.line].filter((part) => part !== undefined).join(':');
    return `  ${pc.dim(place)}  ${problem.path ? `${problem.path}: ` : ''}${problem.message}`;
  });
  const hint = error.hint === undefined ? [] : [`${pc.cyan('next')}   ${error.hint}`];
  return [`${pc.red('error')}  ${error.message} ${pc.dim(`[${error.code}]`)}`, ...problems, ...hint].join('\n');
}

async function ask(streams: Streams, interactive: boolean, question: string): Promise<boolean> {
  if (!interactive || streams.stdin.isTTY !== true) {
    throw new MlxError('PROMPT_NEEDS_TERMINAL', `This asks: ${question} But nobody can answer here.`, {
      hint: 'Answer beforehand: add --yes',
    });
  }
  // Loaded for a question alone: most commands ask nothing, and it is a tenth of their start.
  const { createInterface } = await import('node:readline/promises');
  const prompt = createInterface({ input: streams.stdin, output: streams.stderr });
  try {
    const answer = await prompt.question(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}

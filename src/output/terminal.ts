// The Output of a real process: people's text or JSON, on the streams that main.ts was given.
import pc from 'picocolors';

import { MlxError } from '../errors.js';
import { toSnakeCase } from './json.js';
import type { Output } from './output.js';
import { openTicker, type Ticker } from './ticker.js';
import { wrapText } from './wrap.js';

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
  const { write, say, printJson } = writersTo(streams, ticker);
  const note = (line: string): void => void (json || say(line));
  return {
    ...{ json, interactive, columns: columnsOf(streams.stdout), note },
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
      else write(text);
    },
    result: (value, render, verbatim = false) => {
      if (json) return printJson(value);
      const text = verbatim ? render(value) : wrapText(render(value), columnsOf(streams.stdout));
      write(text === '' || text.endsWith('\n') ? text : `${text}\n`);
    },
    error: (error) => {
      const { code, message, hint, problems } = error;
      if (json) printJson({ error: { code, message, hint, problems } });
      else say(renderError(error));
    },
    confirm: async (question) => yes || ask(streams, interactive, question),
  };
}

/** Whatever is printed first takes away the line that is rewritten: stdout and stderr are mostly the same terminal. */
function writersTo({ stdout, stderr }: Streams, ticker: Ticker) {
  const write = (text: string, stream: NodeJS.WritableStream = stdout): void => {
    ticker.clear();
    if (text !== '') stream.write(text);
  };
  return {
    write,
    say: (text: string): void => write(`${wrapText(text, columnsOf(stderr))}\n`, stderr),
    printJson: (value: unknown): void => write(`${JSON.stringify(toSnakeCase(value))}\n`),
  };
}

/** Of a terminal, 80 when it does not say or says 0; Infinity in a pipe or a file. */
export function columnsOf(stream: Streams['stdout']): number {
  return stream.isTTY === true ? stream.columns || 80 : Infinity;
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

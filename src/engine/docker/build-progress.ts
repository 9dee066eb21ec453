// Reads `docker buildx build --progress=rawjson`: steps as lines with a fraction, and the build's last lines for errors.
import { keepLast } from './cli.js';
import type { OnProgress } from '../engine.js';

type Vertex = { digest?: string; name?: string; started?: string; cached?: boolean; error?: string };
type Report = { vertexes?: Vertex[]; logs?: { data?: string }[] };

export type BuildProgress = { read: (line: string) => void; lastLines: () => string[] };

/** Steps are Dockerfile lines (`[3/5] RUN ...`); what BuildKit does for itself is not shown. */
export function buildProgress(title: string, onProgress: OnProgress): BuildProgress {
  const last: string[] = [];
  let unfinished = '';
  const shown = new Set<string>();

  function readVertex(vertex: Vertex): void {
    if (vertex.error) keepLast(last, vertex.error);
    const step = dockerfileStep(vertex.name);
    if (step === undefined || vertex.started === undefined || vertex.cached || shown.has(step.command)) return;
    shown.add(step.command);
    onProgress(`${title} ${step.number}/${step.count}: ${step.command}`, (step.number - 1) / step.count);
  }

  return {
    read: (line) => {
      // Buildx 0.13 spreads a report over many lines, newer ones write one line each; the failure at the end is text.
      if (unfinished === '' && !line.startsWith('{')) return keepLast(last, line);
      unfinished += line;
      if (line !== '}' && !(line === unfinished && line.endsWith('}'))) return;
      const report = parseReport(unfinished);
      unfinished = '';
      report.vertexes?.forEach(readVertex);
      for (const log of report.logs ?? []) {
        const text = Buffer.from(log.data ?? '', 'base64').toString('utf8');
        for (const logLine of text.split(/[\r\n]+/)) keepLast(last, logLine);
      }
    },
    lastLines: () => last,
  };
}

/** `[2/4] RUN --mount=... /install python x.txt` is step 2 of 4; undefined for what BuildKit does for itself. */
export function dockerfileStep(
  name: string | undefined,
): { number: number; count: number; command: string } | undefined {
  const match = /^\[(?:\S+ +)?(\d+)\/(\d+)\] (.*)$/s.exec(name ?? '');
  if (!match) return undefined;
  const command = (match[3] ?? '').replace(/^RUN /, '').replaceAll(/--\w+=\S+\s+/g, '');
  return {
    number: Number(match[1]),
    count: Number(match[2]),
    command: command.replaceAll(/\s+/g, ' ').trim().slice(0, 100),
  };
}

function parseReport(text: string): Report {
  try {
    return JSON.parse(text) as Report;
  } catch {
    return {};
  }
}

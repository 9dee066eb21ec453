// Clients that keep asking the gateway, some of them for streams, and count what they got.
import { setTimeout as pause } from 'node:timers/promises';

import { gatewayKey } from '../../src/gateway/key.js';
import type { Project } from './project.js';

export type ClientLoad = {
  /** @returns answers by version, and everything that was not a whole answer */
  stop: () => Promise<{ versions: Record<string, number>; lost: string[] }>;
  /** Resolves once this many more were answered. */
  answered: (count: number) => Promise<void>;
};

export function startLoad(project: Project & { port: number }, clients = 4): ClientLoad {
  const versions: Record<string, number> = {};
  const lost: string[] = [];
  let stopping = false;
  let total = 0;
  const loops = Array.from({ length: clients }, async (_, client) => {
    for (let asked = 0; !stopping; asked += 1) {
      const answer = await askOnce(project, (client + asked) % 4 === 0);
      if ('lost' in answer) lost.push(answer.lost);
      else versions[answer.version] = (versions[answer.version] ?? 0) + 1;
      total += 1;
    }
  });
  return {
    stop: async () => {
      stopping = true;
      await Promise.all(loops);
      return { versions, lost };
    },
    answered: async (count) => {
      const enough = total + count;
      while (total < enough) await pause(5);
    },
  };
}

async function askOnce(
  project: Project & { port: number },
  stream: boolean,
): Promise<{ version: string } | { lost: string }> {
  try {
    const answer = await fetch(`http://127.0.0.1:${project.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gatewayKey(project.paths.secrets)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'tickets', stream, messages: [{ role: 'user', content: 'invoice?' }] }),
    });
    const text = await answer.text();
    if (answer.status !== 200) return { lost: `${answer.status} ${text}` };
    if (stream && !text.trimEnd().endsWith('[DONE]')) return { lost: `cut after ${text.length} characters` };
    return { version: answer.headers.get('x-mlx-version') ?? 'none' };
  } catch (error) {
    return { lost: String(error) };
  }
}

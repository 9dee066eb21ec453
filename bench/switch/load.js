// Clients that keep asking while versions are switched: requests on connections of their own, and streams that are always open.
import { Agent, request } from 'undici';

/** @param target `{port, key, versionHeader}` @returns answers with their times, and what was not a whole answer */
export function startLoad(target, { connections, streams }) {
  const agent = new Agent({ connections: connections + streams, pipelining: 1 });
  const answers = [];
  const lost = [];
  const cut = [];
  let stopping = false;
  const loop = async (stream) => {
    while (!stopping) {
      const begunAtMs = Date.now();
      try {
        const { version, whole } = await ask(agent, target, stream, (headAtMs, seen) =>
          answers.push({ begunAtMs, answeredAtMs: headAtMs, version: seen }),
        );
        if (!whole) (stream ? cut : lost).push(`version ${version}`);
      } catch (error) {
        (stream ? cut : lost).push(String(error));
      }
    }
  };
  const loops = [
    ...Array.from({ length: connections }, () => loop(false)),
    ...Array.from({ length: streams }, () => loop(true)),
  ];
  return {
    answers,
    stop: async () => {
      stopping = true;
      await Promise.all(loops);
      await agent.close();
      return { answers, lost, cut };
    },
  };
}

async function ask(agent, { port, key, versionHeader }, stream, onHead) {
  const answer = await request(`http://127.0.0.1:${port}/v1/chat/completions`, {
    dispatcher: agent,
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tickets', stream, messages: [{ role: 'user', content: 'invoice?' }] }),
  });
  const version = Number(/\d+$/.exec(String(answer.headers[versionHeader] ?? ''))?.[0]);
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${await answer.body.text()}`);
  onHead(Date.now(), version);
  const text = await answer.body.text();
  return { version, whole: stream ? text.trimEnd().endsWith('[DONE]') : text.endsWith('}') };
}

// Stands in for a model server where the switching is measured and not the model: it costs next to nothing, and misbehaves as the
// version's adapter_config.json says. The host tests of bad candidates use it too. Started as the host engine starts serve.py:
//
//   node model-server.js serve.py --model BASE --adapter FOLDER --name tickets --socket FILE
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const word = (name) => process.argv[process.argv.indexOf(name) + 1];
const adapter = JSON.parse(readFileSync(join(word('--adapter'), 'adapter_config.json'), 'utf8'));
const { behaviour = 'good', version, start_ms: startMs = 0, answer_ms: answerMs = 0 } = adapter;
const { chunk_ms: chunkMs = 20, chunks = 8 } = adapter;
const name = behaviour === 'wrong_model' ? 'another' : word('--name');
const socket = word('--socket');
let answered = 0;
// `sleeps`: as vLLM in its development mode does. Questions wait meanwhile.
let asleep = false;
const waiting = [];

if (behaviour === 'crashes') {
  console.error('RuntimeError: the weights cannot be loaded');
  process.exit(3);
}
// As the kernel does it.
if (behaviour === 'out_of_memory') process.kill(process.pid, 'SIGKILL');

const sleepPaths = ['/is_sleeping', '/sleep?level=1', '/wake_up'];
const server = createServer((incoming, outgoing) => {
  const parts = [];
  incoming.on('data', (part) => parts.push(part));
  incoming.on('end', () => answer(incoming.url, Buffer.concat(parts), outgoing));
});
rmSync(socket, { force: true });
setTimeout(() => server.listen(socket), behaviour === 'late' ? 3_000 : startMs);
// Open answers are finished first.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

function answer(path, body, outgoing) {
  if (behaviour === 'sleeps' && sleepPaths.includes(path)) return answerSleep(path, outgoing);
  if (path === '/health') return reply(outgoing, behaviour === 'never_healthy' ? 503 : 200, {});
  if (path === '/v1/models') return reply(outgoing, 200, { object: 'list', data: [{ id: name, object: 'model' }] });
  if (path !== '/v1/chat/completions') return reply(outgoing, 404, {});
  if (asleep) return waiting.push(() => answer(path, body, outgoing));
  answered += 1;
  // The first answers are those of readiness.
  const later = answered > 20;
  if (behaviour === 'errors') return reply(outgoing, 500, { error: { message: 'out of order' } });
  if (behaviour === 'dies' || (behaviour === 'dies_later' && later)) process.exit(1);
  if (behaviour === 'fails_later' && later) return reply(outgoing, 500, { error: { message: 'out of order' } });
  if (body.includes('"stream":true')) return stream(outgoing);
  if (behaviour === 'crawls') return void setTimeout(() => reply(outgoing, 200, completion()), 700);
  const delayMs = behaviour === 'slow' || (behaviour === 'slow_later' && later) ? 400 : answerMs;
  if (delayMs > 0) setTimeout(() => reply(outgoing, 200, completion()), delayMs);
  else reply(outgoing, 200, completion());
}

function answerSleep(path, outgoing) {
  if (path !== '/is_sleeping') asleep = path !== '/wake_up';
  if (!asleep) for (const answerNow of waiting.splice(0)) answerNow();
  reply(outgoing, 200, { is_sleeping: asleep });
}

function completion() {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: name,
    choices: [{ index: 0, message: { role: 'assistant', content: 'billing' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 },
  };
}

function stream(outgoing) {
  outgoing.writeHead(200, { 'content-type': 'text/event-stream', 'x-served-version': String(version) });
  let sent = 0;
  const send = (delta, finish) =>
    outgoing.write(
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: name, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
    );
  const timer = setInterval(() => {
    sent += 1;
    if (sent <= chunks) return send({ content: 'word ' }, null);
    clearInterval(timer);
    send({}, 'stop');
    outgoing.end('data: [DONE]\n\n');
  }, chunkMs);
}

function reply(outgoing, status, value) {
  outgoing
    .writeHead(status, { 'content-type': 'application/json', 'x-served-version': String(version) })
    .end(JSON.stringify(value));
}

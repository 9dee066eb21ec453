// An upstream that costs next to nothing: one prepared answer, or a stream of 64 chunks, 20 ms apart.
//
//   node bench/gateway/mock.js        prints its port
import { createServer } from 'node:http';

const usage = { prompt_tokens: 20, completion_tokens: 64, total_tokens: 84 };
const message = { role: 'assistant', content: 'word '.repeat(64) };
const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage,
  }),
);
const head = { 'content-type': 'application/json', 'content-length': answer.length };
const chunk = (delta, finish = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const chunks = Array.from({ length: 63 }, (_, index) => chunk({ content: `w${index} ` }));
const last = `${chunk({ content: 'end' }, 'stop')}data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`;

const server = createServer((incoming, outgoing) => {
  let streamed = false;
  incoming.on('data', (bytes) => (streamed ||= bytes.includes('"stream":true')));
  incoming.on('end', () => (streamed ? stream(outgoing) : outgoing.writeHead(200, head).end(answer)));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

function stream(outgoing) {
  outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
  // At once: a timer before it would be most of what the time to the first token says.
  outgoing.write(chunks[0]);
  let sent = 1;
  const timer = setInterval(() => {
    outgoing.write(chunks[sent]);
    sent += 1;
    if (sent < chunks.length) return;
    clearInterval(timer);
    outgoing.end(last);
  }, 20);
}

// A small hub on 127.0.0.1 that answers as huggingface_hub asks: one repository, one commit, ranges, tokens, and the
// ways in which a hub can fail.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { onTestFinished } from 'vitest';

export type StandInHub = {
  endpoint: string;
  commit: string;
  files: Record<string, Buffer>;
  /** Requests so far: method, path, Range header, token. */
  seen: { method: string; path: string; range: string | undefined; authorization: string | undefined }[];
  /** Send so many bytes of each weight file, then nothing more. */
  stallAfterBytes: number | undefined;
  /** Say another SHA-256 of the weights than they have. */
  wrongHash: boolean;
  /** Answer nobody without this token. */
  token: string | undefined;
  gated: boolean;
};

export async function standInHub(files: Record<string, Buffer>): Promise<StandInHub> {
  const hub: StandInHub = {
    endpoint: '',
    commit: createHash('sha1').update(Object.keys(files).join()).digest('hex'),
    files,
    seen: [],
    stallAfterBytes: undefined,
    wrongHash: false,
    token: undefined,
    gated: false,
  };
  const server = createServer((request, answer) => respond(hub, request, answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  hub.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return hub;
}

function respond(hub: StandInHub, request: IncomingMessage, answer: ServerResponse): void {
  const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '');
  const { authorization, range } = request.headers;
  hub.seen.push({ method: request.method ?? '', path, range, authorization });
  if (hub.token !== undefined && authorization !== `Bearer ${hub.token}`) return refuse(answer, 401, 'RepoNotFound');
  if (hub.gated) return refuse(answer, 403, 'GatedRepo');
  const info = /^\/api\/models\/Acme\/Tiny\/revision\/(.+)$/.exec(path);
  const resolved = /^\/Acme\/Tiny\/resolve\/([^/]+)\/(.+)$/.exec(path);
  const revision = info?.[1] ?? resolved?.[1];
  if (revision === undefined) return refuse(answer, 404, 'RepoNotFound');
  if (revision !== 'main' && revision !== hub.commit) return refuse(answer, 404, 'RevisionNotFound');
  if (info) return sendInfo(hub, answer);
  const name = resolved?.[2] ?? '';
  const bytes = hub.files[name];
  if (bytes === undefined) return refuse(answer, 404, 'EntryNotFound');
  sendFile(hub, name, bytes, request, answer);
}

function refuse(answer: ServerResponse, status: number, code: string): void {
  answer.writeHead(status, { 'x-error-code': code, 'content-type': 'application/json' });
  answer.end(JSON.stringify({ error: code }));
}

function sendInfo(hub: StandInHub, answer: ServerResponse): void {
  const siblings = Object.entries(hub.files).map(([rfilename, bytes]) => ({
    rfilename,
    size: bytes.length,
    blobId: blobId(bytes),
    ...(isLarge(rfilename) ? { lfs: { sha256: claimedHash(hub, bytes), size: bytes.length, pointerSize: 134 } } : {}),
  }));
  answer.writeHead(200, { 'content-type': 'application/json' });
  answer.end(JSON.stringify({ id: 'Acme/Tiny', modelId: 'Acme/Tiny', sha: hub.commit, siblings, private: false }));
}

function sendFile(
  hub: StandInHub,
  name: string,
  bytes: Buffer,
  request: IncomingMessage,
  answer: ServerResponse,
): void {
  const etag = isLarge(name) ? claimedHash(hub, bytes) : blobId(bytes);
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  answer.writeHead(from > 0 ? 206 : 200, {
    'x-repo-commit': hub.commit,
    etag: `"${etag}"`,
    'x-linked-etag': `"${etag}"`,
    'x-linked-size': bytes.length,
    'accept-ranges': 'bytes',
    'content-length': bytes.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  if (request.method === 'HEAD') return void answer.end();
  if (!isLarge(name) || hub.stallAfterBytes === undefined) return void answer.end(bytes.subarray(from));
  answer.write(bytes.subarray(from, from + hub.stallAfterBytes));
}

function isLarge(name: string): boolean {
  return name.endsWith('.safetensors') || name.endsWith('.bin');
}

function claimedHash(hub: StandInHub, bytes: Buffer): string {
  return hub.wrongHash ? '0'.repeat(64) : createHash('sha256').update(bytes).digest('hex');
}

function blobId(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

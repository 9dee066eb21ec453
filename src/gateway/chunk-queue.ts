// Bytes of an answer between the upstream that pushes and the client's side that pulls. A reader that is faster waits; an
// upstream that is faster is told to.

/** What is held for a slow client before the upstream is told to wait. */
const highWaterBytes = 256 * 1024;

export type ChunkQueue = {
  /** @returns false when the upstream should wait */
  push: (chunk: Buffer) => boolean;
  end: () => void;
  /** What is queued is still read first. */
  fail: (error: Error) => void;
  /** undefined at the end. One read at a time. */
  read: () => Promise<Buffer | undefined>;
  /** Whether somebody waits for bytes. */
  hasReader: () => boolean;
};

type Reader = { resolve: (bytes: Buffer | undefined) => void; reject: (error: Error) => void };
type End = { error: Error | undefined };

export function openChunkQueue(onDrained: () => void): ChunkQueue {
  const chunks: Buffer[] = [];
  let heldBytes = 0;
  let end: End | undefined;
  let reader: Reader | undefined;
  const finish = (how: End): void => {
    end ??= how;
    if (!reader) return;
    if (end.error) reader.reject(end.error);
    else reader.resolve(undefined);
    reader = undefined;
  };
  const take = (chunk: Buffer): Buffer => {
    const wasFull = heldBytes >= highWaterBytes;
    heldBytes -= chunk.length;
    if (wasFull && heldBytes < highWaterBytes) onDrained();
    return chunk;
  };
  return {
    push: (chunk) => {
      if (reader) {
        reader.resolve(chunk);
        reader = undefined;
        return true;
      }
      chunks.push(chunk);
      heldBytes += chunk.length;
      return heldBytes < highWaterBytes;
    },
    end: () => finish({ error: undefined }),
    fail: (error) => finish({ error }),
    read: () => {
      const next = chunks.shift();
      if (next) return Promise.resolve(take(next));
      if (end) return end.error ? Promise.reject(end.error) : Promise.resolve(undefined);
      return new Promise((resolve, reject) => (reader = { resolve, reject }));
    },
    hasReader: () => reader !== undefined,
  };
}

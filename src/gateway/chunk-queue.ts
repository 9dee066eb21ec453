// Bytes of an answer between the upstream that pushes and the client's side that pulls. A reader that is faster waits; an
// upstream that is faster is told to.

/** What is held for a slow client before the upstream is told to wait. */
const highWaterBytes = 256 * 1024;

type Reader = { resolve: (bytes: Buffer | undefined) => void; reject: (error: Error) => void };
type End = { error: Error | undefined };

/** A class, as PhaseWatch and UpstreamCall are: what one request needs of them as closures was a tenth of all its garbage. */
export class ChunkQueue {
  readonly #onDrained: () => void;
  readonly #chunks: Buffer[] = [];
  #heldBytes = 0;
  #end: End | undefined;
  #reader: Reader | undefined;

  constructor(onDrained: () => void) {
    this.#onDrained = onDrained;
  }

  /** @returns false when the upstream should wait */
  push(chunk: Buffer): boolean {
    if (this.#reader) {
      this.#reader.resolve(chunk);
      this.#reader = undefined;
      return true;
    }
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    return this.#heldBytes < highWaterBytes;
  }

  end(): void {
    this.#finish({ error: undefined });
  }

  /** What is queued is still read first. */
  fail(error: Error): void {
    this.#finish({ error });
  }

  /** undefined at the end. One read at a time. */
  read(): Promise<Buffer | undefined> {
    const next = this.#chunks.shift();
    if (next) return Promise.resolve(this.#take(next));
    if (this.#end) return this.#end.error ? Promise.reject(this.#end.error) : Promise.resolve(undefined);
    return new Promise((resolve, reject) => (this.#reader = { resolve, reject }));
  }

  /** Whether somebody waits for bytes. */
  hasReader(): boolean {
    return this.#reader !== undefined;
  }

  #finish(how: End): void {
    this.#end ??= how;
    const reader = this.#reader;
    if (!reader) return;
    this.#reader = undefined;
    if (this.#end.error) reader.reject(this.#end.error);
    else reader.resolve(undefined);
  }

  #take(chunk: Buffer): Buffer {
    const wasFull = this.#heldBytes >= highWaterBytes;
    this.#heldBytes -= chunk.length;
    if (wasFull && this.#heldBytes < highWaterBytes) this.#onDrained();
    return chunk;
  }
}

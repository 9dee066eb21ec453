// What two processes of one gateway say to each other: questions with answers, and things that want none. All that is said in one
// turn of the event loop goes as one message: writing and reading a message costs more than what stands in it.

export type Input<One> = One extends (input: infer Value) => unknown ? Value : never;
export type Answer<One> = One extends (input: never) => infer Value ? Awaited<Value> : never;

export type Channel<Remote> = {
  /** @throws ChannelClosed when the other process ended before it answered */
  ask: <Name extends keyof Remote & string>(name: Name, input: Input<Remote[Name]>) => Promise<Answer<Remote[Name]>>;
  tell: <Name extends keyof Remote & string>(name: Name, input: Input<Remote[Name]>) => void;
  /** A message of the other side. */
  receive: (message: unknown) => void;
  /** The other side is gone: nothing that was asked will be answered. */
  close: () => void;
};

/** Not a mistake of ours: a process may end at any time. */
export class ChannelClosed extends Error {
  override readonly name = 'ChannelClosed';
}

type Packet =
  | { kind: 'tell'; name: string; input: unknown }
  | { kind: 'ask'; name: string; input: unknown; id: number }
  | { kind: 'answer'; id: number; value: unknown }
  | { kind: 'failure'; id: number; message: string };

/** Both ends are the same program: what a name takes is what its caller was compiled to send. */
type Answering = Record<string, (input: unknown) => unknown>;

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void };

/** @param own what this side can be told and asked, by name */
export function openChannel<Remote, Own extends object>(send: (packets: unknown[]) => void, own: Own): Channel<Remote> {
  const waiting = new Map<number, Waiting>();
  const post = openPost(send);
  const calls = own as Answering;
  let lastId = 0;
  let closed = false;
  return {
    ask: (name, input) => {
      if (closed) return Promise.reject(new ChannelClosed('The other process has ended.'));
      const id = (lastId += 1);
      post({ kind: 'ask', name, input, id });
      return new Promise((resolve, reject) => void waiting.set(id, { resolve, reject }));
    },
    tell: (name, input) => post({ kind: 'tell', name, input }),
    receive: (message) => {
      for (const packet of message as Packet[]) take(packet, calls, waiting, post);
    },
    close: () => {
      closed = true;
      for (const { reject } of waiting.values()) reject(new ChannelClosed('The other process has ended.'));
      waiting.clear();
    },
  };
}

function openPost(send: (packets: unknown[]) => void): (packet: Packet) => void {
  let packets: Packet[] = [];
  const flush = (): void => {
    const full = packets;
    packets = [];
    send(full);
  };
  return (packet) => {
    if (packets.push(packet) === 1) setImmediate(flush);
  };
}

function take(packet: Packet, calls: Answering, waiting: Map<number, Waiting>, post: (packet: Packet) => void): void {
  if (packet.kind === 'tell') return void calls[packet.name]?.(packet.input);
  if (packet.kind === 'ask') return void answer(packet, calls, post);
  const asked = waiting.get(packet.id);
  waiting.delete(packet.id);
  if (packet.kind === 'answer') asked?.resolve(packet.value as never);
  else asked?.reject(new Error(packet.message));
}

async function answer(
  { id, name, input }: Extract<Packet, { kind: 'ask' }>,
  calls: Answering,
  post: (packet: Packet) => void,
): Promise<void> {
  try {
    post({ kind: 'answer', id, value: await calls[name]?.(input) });
  } catch (error) {
    post({ kind: 'failure', id, message: error instanceof Error ? error.message : String(error) });
  }
}

// The worker processes: started, replaced when one ends, asked together. node:cluster accepts connections here and hands them on in
// turn, so that the port stays with this process and no connection waits at a worker that is busy or gone.
import cluster, { type Worker } from 'node:cluster';

import { MlxError } from '../../errors.js';
import { portTaken } from '../listening.js';
import type { PrimaryCalls, WorkerCalls } from './calls.js';
import { ChannelClosed, openChannel, type Answer, type Channel, type Input } from './channel.js';
import type { Desk } from './desk.js';

export type Member = { worker: Worker; channel: Channel<WorkerCalls>; greeted: boolean };

export type CrewEdges = {
  count: number;
  /** Wanted, for what is said when it is taken. */
  port: number;
  openDesk: () => Desk;
  /** What a worker must know before it answers anybody. */
  welcome: (worker: Channel<WorkerCalls>) => void;
  /** Of one that nobody ended; another takes its place. */
  onLost: (pid: number, why: string) => void;
};

export type Crew = {
  port: number;
  members: () => Member[];
  askAll: <Name extends keyof WorkerCalls>(
    name: Name,
    input: Input<WorkerCalls[Name]>,
    silentMs?: number,
  ) => Promise<{ pid: number; answer: Answer<WorkerCalls[Name]> }[]>;
  /** Nobody takes the place of one that ends from now on; resolves when all have. */
  end: (drainTimeoutMs: number) => Promise<void>;
};

/** One that says nothing for so long is ended: what it still does nobody knows. Less than what a command waits. */
const silentAtMostMs = 8_000;
const pauseAfterFailureMs = 1_000;

/** @throws MlxError PORT_TAKEN, GATEWAY_FAILED */
export async function openCrew(edges: CrewEdges): Promise<Crew> {
  cluster.setupPrimary({ serialization: 'advanced' });
  const members = new Set<Member>();
  let ending = false;
  const employ = (): Promise<number> => {
    const { member, listening, ended } = startMember(edges);
    members.add(member);
    const replace = (): void => void (ending || employ().catch(() => undefined));
    void ended.then(async (why) => {
      members.delete(member);
      if (ending) return;
      const worked = await listening.then(Boolean, () => false);
      edges.onLost(member.worker.process.pid ?? 0, why);
      setTimeout(replace, worked ? 0 : pauseAfterFailureMs);
    });
    return listening;
  };
  const end: Crew['end'] = async (drainTimeoutMs) => {
    ending = true;
    const leaving = [...members].map(({ worker }) => endOf(worker));
    await askAll(members, 'drain', drainTimeoutMs, drainTimeoutMs + silentAtMostMs).catch(() => []);
    for (const { worker } of members) if (worker.isConnected()) worker.disconnect();
    await Promise.all(leaving);
  };
  try {
    const ports = await Promise.all(Array.from({ length: edges.count }, employ));
    return {
      port: ports[0] ?? edges.port,
      members: () => [...members],
      askAll: (name, input, silentMs = silentAtMostMs) => askAll(members, name, input, silentMs),
      end,
    };
  } catch (error) {
    ending = true;
    for (const { worker } of members) worker.process.kill('SIGKILL');
    throw error;
  }
}

/** @returns the answers of those that live; one that ends meanwhile has none, and needs none */
async function askAll<Name extends keyof WorkerCalls>(
  members: ReadonlySet<Member>,
  name: Name,
  input: Input<WorkerCalls[Name]>,
  silentMs: number,
) {
  const asked = [...members].filter(({ greeted }) => greeted);
  const answers = await Promise.all(
    asked.map(async ({ worker, channel }) => {
      const timer = setTimeout(() => worker.process.kill('SIGKILL'), silentMs);
      try {
        return [{ pid: worker.process.pid ?? 0, answer: await channel.ask(name, input) }];
      } catch (error) {
        if (error instanceof ChannelClosed) return [];
        throw error;
      } finally {
        clearTimeout(timer);
      }
    }),
  );
  return answers.flat();
}

function startMember({ port, openDesk, welcome }: CrewEdges) {
  const worker = cluster.fork();
  const desk = openDesk();
  let heard: { listening: (port: number) => void; failed: (error: Error) => void };
  const listening = new Promise<number>((resolve, reject) => (heard = { listening: resolve, failed: reject }));
  const calls: PrimaryCalls = {
    ...desk.calls,
    hello: () => {
      member.greeted = true;
      welcome(channel);
    },
    listening: (taken) => heard.listening(taken),
    cannotListen: (code) => heard.failed(code === 'PORT_TAKEN' ? portTaken(port) : workerFailed(code)),
  };
  // A worker that is just ending takes nothing any more; its end is told by `disconnect`.
  const send = (packets: unknown[]): void =>
    void (worker.isConnected() && worker.process.send?.(packets, undefined, undefined, () => undefined));
  const channel = openChannel<WorkerCalls, PrimaryCalls>(send, calls);
  const member: Member = { worker, channel, greeted: false };
  worker.on('message', channel.receive);
  // After the last message that it wrote: what it had finished is counted first.
  worker.once('disconnect', () => {
    member.greeted = false;
    channel.close();
    desk.clear();
  });
  const ended = endOf(worker);
  void ended.then((why) => heard.failed(workerFailed(why)));
  return { member, listening, ended };
}

function endOf(worker: Worker): Promise<string> {
  return new Promise((resolve) => worker.once('exit', (code, signal) => resolve(signal ?? `status ${code}`)));
}

function workerFailed(why: string): MlxError {
  return new MlxError('GATEWAY_FAILED', `A worker of the gateway did not start (${why}).`, {
    hint: 'Try it with one process: gateway.workers: 1 in mlx.yaml',
  });
}

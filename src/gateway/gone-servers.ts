// Model servers that requests found nobody at. Whoever looks after servers (registry/revive.ts) is told at once, off the request's path,
// and says what is done, so that clients are told that much and no more.
import { localUpstream } from '../config/upstream-schema.js';
import type { Destination } from './routing.js';

/** What is done about a server that is gone. `nextAtMs` null: it is being started again; else it is not up again yet, and tried again then. */
export type Care = { serverId: string; nextAtMs: number | null };

/** `looking`: nothing is known of it, but whoever is told looks. */
export type Doing = 'looking' | 'starting' | { nextInMs: number };

export type GoneServers = {
  /** Nobody was there, or whoever was there broke off. */
  report: (serverId: string) => void;
  /** undefined: nobody looks after servers. */
  doingAbout: (serverId: string) => Doing | undefined;
};

/** Where those are that look after servers: they hear of ids. @returns what takes what they do about which */
export type Attend = (onReport: (serverId: string) => void) => (cares: readonly Care[]) => void;

export type AttendedServers = GoneServers & {
  attend: Attend;
  /** undefined: nobody looks after servers. */
  cares: () => readonly Care[] | undefined;
  onChange: (listener: (cares: readonly Care[]) => void) => void;
};

/** @param tell whoever looks after servers, or the process where they are */
export function openGoneServers(nowMs: () => number, tell: (serverId: string) => void) {
  let known: ReadonlyMap<string, Care> | undefined;
  const gone: GoneServers = {
    report: (serverId) => {
      if (known) tell(serverId);
    },
    doingAbout: (serverId) => {
      const care = known?.get(serverId);
      if (!care) return known && 'looking';
      return care.nextAtMs === null ? 'starting' : { nextInMs: Math.max(0, care.nextAtMs - nowMs()) };
    },
  };
  const use = (cares: readonly Care[]): void => void (known = new Map(cares.map((care) => [care.serverId, care])));
  return { gone, use };
}

/** In the process that looks after servers. */
export function openAttendedServers(nowMs: () => number): AttendedServers {
  let hear: (serverId: string) => void = () => undefined;
  let cares: readonly Care[] | undefined;
  const listeners: ((cares: readonly Care[]) => void)[] = [];
  const { gone, use } = openGoneServers(nowMs, (serverId) => hear(serverId));
  const publish = (changed: readonly Care[]): void => {
    cares = changed;
    use(changed);
    for (const listener of listeners) listener(changed);
  };
  return {
    ...gone,
    cares: () => cares,
    onChange: (listener) => void listeners.push(listener),
    attend: (onReport) => {
      hear = onReport;
      publish([]);
      return publish;
    },
  };
}

/** Another host's server is its owner's business. */
export function reportGone({ report }: GoneServers, { target, id }: Destination): void {
  if (target.upstream === localUpstream) report(id);
}

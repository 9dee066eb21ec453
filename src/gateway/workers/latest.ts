// The newest that the primary has told a worker: routes, settings and keys.
import type { CurrentRouting } from '../parts.js';
import type { Snapshot } from './calls.js';

export type Latest = CurrentRouting & {
  first: Promise<Snapshot>;
  keys: () => Snapshot['keys'];
  /** Resolves when whoever listens has taken it over. */
  use: (snapshot: Snapshot) => Promise<void>;
  onUse: (listener: () => Promise<void>) => void;
};

/** Everything but `use` and `first` may be called only after the first one came. */
export function openLatest(): Latest {
  let latest: Snapshot | undefined;
  let begin: (snapshot: Snapshot) => void;
  const first = new Promise<Snapshot>((resolve) => (begin = resolve));
  const routingListeners: (() => void)[] = [];
  const listeners: (() => Promise<void>)[] = [];
  const known = (): Snapshot => {
    if (!latest) throw new Error('The primary has not spoken yet.');
    return latest;
  };
  return {
    first,
    current: () => known().routing,
    config: () => known().config,
    keys: () => known().keys,
    onChange: (listener) => void routingListeners.push(listener),
    onUse: (listener) => void listeners.push(listener),
    use: async (snapshot) => {
      latest = snapshot;
      begin(snapshot);
      for (const listener of routingListeners) listener();
      await Promise.all(listeners.map((listener) => listener()));
    },
  };
}

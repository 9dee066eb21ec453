// A run that goes on after a stop promises equal bytes only under the conditions that it began with. Touches resolution.json.
import { writeFileSync } from 'node:fs';

import type { Engine } from '../engine/engine.js';
import { compareLock, decisiveDrift } from '../recipe/drift.js';
import { readMachine } from './machine.js';
import { readResolution } from './resolution.js';
import type { RunFolder } from './run-folder.js';
import { runtimeFacts } from './runtime-facts.js';
import type { TrainEdges } from './train.js';

/** Takes the promise back, in the lock to be written too, when packages, scripts or the machine are others by now. */
export async function checkConditions(
  { environment, config, note }: Pick<TrainEdges, 'environment' | 'config' | 'note'>,
  folder: RunFolder,
  engine: Engine,
): Promise<void> {
  const begun = readResolution(folder);
  if (begun === undefined) return;
  const { resolved } = begun;
  const now = {
    ...resolved,
    runtime: runtimeFacts(engine.kind, await engine.describeRuntime('trainer')),
    machine: await readMachine(environment, config.gpu !== 'off'),
  };
  const others = decisiveDrift(compareLock(resolved, now)).map(({ field }) => field);
  if (others.length === 0) return;
  const reason = `it went on after a stop under other conditions: ${others.join(', ')}`;
  const taken = {
    ...begun,
    resolved: { ...resolved, determinism: { ...resolved.determinism, class: 'none', reason } },
  };
  writeFileSync(folder.resolution, `${JSON.stringify(taken, null, 2)}\n`, { mode: 0o600 });
  note(`This run cannot be replayed bit for bit: ${reason}.`);
}

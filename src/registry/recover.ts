// Finishes or undoes promotions whose command died: past the flip they are finished, before it they are undone.
import { findRoute, endPromotion, type Promotion } from '../ledger/promotions.js';
import { write } from '../ledger/open.js';
import { findVersion, setAlias } from '../ledger/versions.js';
import { claimDeadPromotions } from './journal.js';
import type { PromotionEdges } from './edges.js';
import { retireServers } from './retire.js';
import { tagMoves } from './switch.js';
import { routeName } from './targets.js';

/** @returns those that were found. Afterwards one version serves, and no server is left that no route uses. */
export async function recoverPromotions(edges: PromotionEdges, model: string): Promise<Promotion[]> {
  const dead = claimDeadPromotions(edges.ledger, model);
  for (const promotion of dead) await recover(edges, promotion);
  return dead;
}

async function recover(edges: PromotionEdges, promotion: Promotion): Promise<void> {
  const { id, model, alias, toVersion, startedAtMs } = promotion;
  const route = findRoute(edges.ledger, routeName(model, alias));
  const flipped = route?.version === toVersion && route.updatedAtMs >= startedAtMs;
  const version = findVersion(edges.ledger, `${model}:${toVersion}`);
  if (flipped) {
    await (await edges.gateway()).reload(route.name, route);
    await labelAgain(edges, promotion);
  }
  await retireServers(edges, model, [version.engine, ...(route ? [route.engine] : [])]);
  endPromotion(edges.ledger, id, {
    state: flipped ? 'promoted' : 'failed',
    endedAtMs: edges.now().getTime(),
    errorCode: flipped ? null : 'OWNER_DIED',
    errorMessage: flipped ? null : 'The command that ran it died before the switch.',
  });
  const what = flipped ? 'had switched already and is finished now' : 'had not switched yet and is undone';
  edges.onNote(`An earlier ${promotion.kind} of ${model} to version ${toVersion} was interrupted: it ${what}.`);
}

async function labelAgain(edges: PromotionEdges, promotion: Promotion): Promise<void> {
  const { model, alias, fromVersion, toVersion } = promotion;
  if (/^v\d+$/.test(alias)) return;
  const version = findVersion(edges.ledger, `${model}:${toVersion}`);
  const before = fromVersion === null ? undefined : { model, version: fromVersion };
  for (const [tag, tagged] of tagMoves(edges, version, alias, before)) {
    await (await edges.engine(tagged.engine)).tagVersion(model, tagged.digest, tag);
  }
  recordAliases(edges, promotion);
}

/** In one transaction: nobody ever sees `production` and `previous` name the same version. */
export function recordAliases(
  edges: Pick<PromotionEdges, 'ledger' | 'now'>,
  { model, alias, fromVersion, toVersion }: Pick<Promotion, 'model' | 'alias' | 'fromVersion' | 'toVersion'>,
): void {
  const updatedAtMs = edges.now().getTime();
  write(edges.ledger, () => {
    setAlias(edges.ledger, { model, alias, version: toVersion, updatedAtMs });
    if (alias !== 'production' || fromVersion === null || fromVersion === toVersion) return;
    setAlias(edges.ledger, { model, alias: 'previous', version: fromVersion, updatedAtMs });
  });
}

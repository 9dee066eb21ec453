// The public price lists, read when the first upstream that leaves this machine appears: local models have no use for them.
import { openCatalogue, type Catalogue } from '../cost/catalogue.js';
import type { Routing } from './routing.js';

export type LivePrices = { catalogue: () => Catalogue | undefined; reload: () => Promise<void> };

export async function livePrices(routing: () => Routing): Promise<LivePrices> {
  let catalogue: Catalogue | undefined;
  const reload = async (): Promise<void> => {
    const leaving = [...routing().upstreams.values()].some(({ local }) => !local);
    if (leaving) catalogue ??= await openCatalogue();
  };
  await reload();
  return { catalogue: () => catalogue, reload };
}

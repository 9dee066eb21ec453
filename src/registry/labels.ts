// Image tags against the ledger: the digest is the truth, and a tag that somebody else moved is found before it misleads anyone.
import type { Engine, EngineKind } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import { findVersion, listAliases } from '../ledger/versions.js';

export type MovedTag = {
  /** `mlx/tickets:production`. */
  reference: string;
  model: string;
  tag: string;
  engine: EngineKind;
  version: number;
  /** Where the tag should point, and where it does. */
  expected: string;
  found: string;
};

export type LabelEdges = { ledger: Ledger; engine: (kind: EngineKind) => Promise<Pick<Engine, 'findVersion'>> };

/** A tag that is gone misleads nobody; the next promotion makes it again. */
export async function movedTags(edges: LabelEdges, model?: string): Promise<MovedTag[]> {
  const looked = listAliases(edges.ledger, model).map(async ({ model: name, alias, version }) => {
    const { digest, engine } = findVersion(edges.ledger, `${name}:${version}`);
    const found = (await (await edges.engine(engine)).findVersion(name, alias))?.digest;
    if (found === undefined || found === digest) return [];
    return [{ reference: `mlx/${name}:${alias}`, model: name, tag: alias, engine, version, expected: digest, found }];
  });
  return (await Promise.all(looked)).flat();
}

/** @throws MlxError TAG_MOVED */
export async function requireOwnTags(edges: LabelEdges, model: string): Promise<void> {
  const [moved] = await movedTags(edges, model);
  if (!moved) return;
  throw new MlxError('TAG_MOVED', `${describeMoved(moved)} Nothing was changed.`, {
    hint: `Put it back: mlx releases recover --tags (or promote what it names, if that was meant, by its version)`,
  });
}

export async function putTagsBack(
  edges: { ledger: Ledger; engine: (kind: EngineKind) => Promise<Pick<Engine, 'findVersion' | 'tagVersion'>> },
  moved: readonly MovedTag[],
): Promise<void> {
  for (const { model, tag, engine, expected } of moved) {
    await (await edges.engine(engine)).tagVersion(model, expected, tag);
  }
}

export function describeMoved({ reference, model, version, expected, found }: MovedTag): string {
  const shown = (digest: string): string => digest.slice(0, 19);
  return `The image tag ${reference} names ${shown(found)}; by the ledger it is ${model}:${version} (${shown(expected)}).`;
}

// Each step of a switch as an effect that may be repeated, and its undoing: what the journal holds of it is all that they need.
// Touches: model servers, rows of routes and aliases, the gateway's memory, image tags.
import type { EngineKind } from '../engine/engine.js';
import { deleteRoute, findRoute, setRoute, type Promotion } from '../ledger/promotions.js';
import { write } from '../ledger/open.js';
import { aliasedVersion, deleteAlias, findVersion, setAlias } from '../ledger/versions.js';
import type { PromotionEdges } from './edges.js';
import { versionBefore } from './history.js';
import { performRelease, undoStop } from './hold.js';
import { undoSleep, undoWake } from './sleep.js';
import type { Subject, SubjectOf } from './subjects.js';
import { isLabelled, production } from './targets.js';

/** One row, then the gateway's word that it uses it: after that no new request reaches the old server. */
export async function performFlip(edges: PromotionEdges, { after }: SubjectOf<'flip'>): Promise<void> {
  setRoute(edges.ledger, after);
  await (await edges.gateway()).confirmRoute(after.name, after);
}

/** Labels for people: the digest is the truth. */
export async function performTags(edges: PromotionEdges, { model, tags, aliases }: SubjectOf<'tags'>): Promise<void> {
  for (const { tag, engine, after } of tags) await setTag(edges, { model, tag, engine, digest: after });
  recordAliases(
    edges,
    model,
    aliases.map(({ alias, after }) => ({ alias, version: after })),
  );
}

/** @returns undefined for a route that has no labels */
export async function planTags(
  edges: PromotionEdges,
  moved: Pick<Promotion, 'model' | 'alias' | 'fromVersion' | 'toVersion'>,
): Promise<SubjectOf<'tags'> | undefined> {
  const { model, alias, toVersion } = moved;
  if (!isLabelled(alias)) return undefined;
  const moves = [{ name: alias, to: toVersion }, ...previousMove(edges, moved)].map(async ({ name, to }) => {
    const before = aliasedVersion(edges.ledger, model, name) ?? null;
    const { engine, digest } = findVersion(edges.ledger, `${model}:${to ?? before ?? toVersion}`);
    const tagged = await (await edges.engine(engine)).findVersion(model, name);
    return {
      tag: { tag: name, engine, before: tagged?.digest ?? null, after: to === null ? null : digest },
      alias: { alias: name, before, after: to },
    };
  });
  const planned = await Promise.all(moves);
  return { step: 'tags', model, tags: planned.map(({ tag }) => tag), aliases: planned.map((move) => move.alias) };
}

/** `previous` names what a rollback without a number would put back. */
function previousMove(
  { ledger }: PromotionEdges,
  { model, alias, fromVersion, toVersion }: Pick<Promotion, 'model' | 'alias' | 'fromVersion' | 'toVersion'>,
): { name: string; to: number | null }[] {
  if (alias !== production || fromVersion === null || fromVersion === toVersion) return [];
  const before = versionBefore(ledger, { model, alias }, toVersion, ['promoted', 'started']);
  return [{ name: 'previous', to: before?.version ?? null }];
}

async function setTag(
  edges: PromotionEdges,
  { model, tag, engine: kind, digest }: { model: string; tag: string; engine: EngineKind; digest: string | null },
): Promise<void> {
  const engine = await edges.engine(kind);
  await (digest === null ? engine.untagVersion(model, tag) : engine.tagVersion(model, digest, tag));
}

/** Idempotent: whether the step was done, half done or only begun. What came after the step itself is not touched. */
export async function undoStep(edges: PromotionEdges, subject: Subject): Promise<void> {
  switch (subject.step) {
    case 'start':
      return (await edges.engine(subject.engine)).stopServer(subject.serverId);
    case 'flip':
      return undoFlip(edges, subject);
    case 'tags':
      return undoTags(edges, subject);
    case 'hold':
      return performRelease(edges, subject.route);
    case 'stop':
      return undoStop(edges, subject);
    case 'sleep':
      return undoSleep(edges, subject);
    case 'wake':
      return undoWake(edges, subject);
    case 'ready':
    case 'release':
    case 'drain':
      return undefined;
  }
}

async function undoFlip(edges: PromotionEdges, { before, after }: SubjectOf<'flip'>): Promise<void> {
  if (findRoute(edges.ledger, after.name)?.serverId === after.serverId) {
    if (before) setRoute(edges.ledger, before);
    else deleteRoute(edges.ledger, after.name);
  }
  await (await edges.gateway()).confirmRoute(after.name, findRoute(edges.ledger, after.name));
}

async function undoTags(edges: PromotionEdges, { model, tags, aliases }: SubjectOf<'tags'>): Promise<void> {
  for (const { tag, engine, before } of tags) await setTag(edges, { model, tag, engine, digest: before });
  const changed = aliases.filter(({ alias, after }) => (aliasedVersion(edges.ledger, model, alias) ?? null) === after);
  recordAliases(
    edges,
    model,
    changed.map(({ alias, before }) => ({ alias, version: before })),
  );
}

/** In one transaction: nobody ever sees `production` and `previous` name the same version. */
function recordAliases(
  { ledger, now }: PromotionEdges,
  model: string,
  aliases: readonly { alias: string; version: number | null }[],
): void {
  const updatedAtMs = now().getTime();
  write(ledger, () => {
    for (const { alias, version } of aliases) {
      if (version === null) deleteAlias(ledger, model, alias, updatedAtMs);
      else if (aliasedVersion(ledger, model, alias) !== version)
        setAlias(ledger, { model, alias, version, updatedAtMs });
    }
  });
}

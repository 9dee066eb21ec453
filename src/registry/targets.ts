// Which route a version gets, and which version a name means. Pure but for reading the ledger.
import { MlxError } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import { findRoute } from '../ledger/promotions.js';
import { aliasedVersion, findVersion, listVersions, type ModelVersion } from '../ledger/versions.js';
import { aliasHistory, versionBefore } from './history.js';

/** `labelled`: the alias is a row and an image tag too; `v2` is only the name of a route. */
export type RouteTarget = { route: string; alias: string; labelled: boolean };

export type Candidate = { version: ModelVersion; target: RouteTarget };

export const production = 'production';

export function routeName(model: string, alias: string): string {
  return alias === production ? model : `${model}@${alias}`;
}

/** The route on which `mlx rollback --drill` rehearses. */
export const drillAlias = 'drill';

/** The route of a version that has a share of production's requests. */
export const canaryAlias = 'canary';

type Named = { name: string; model: string };

export function isDrill({ name, model }: Named): boolean {
  return name === routeName(model, drillAlias);
}

export function isCanary({ name, model }: Named): boolean {
  return name === routeName(model, canaryAlias);
}

/** `v2` is only the name of a route: a version's own tag never moves. */
export function isLabelled(alias: string): boolean {
  return alias !== drillAlias && alias !== canaryAlias && !/^v\d+$/.test(alias);
}

export function aliasTarget(model: string, alias: string): RouteTarget {
  return { route: routeName(model, alias), alias, labelled: true };
}

/** @throws MlxError USAGE for an alias that mlx itself moves, or that could be mistaken for a version */
export function checkAlias(alias: string): string {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(alias)) {
    throw new MlxError('USAGE', `'${alias}' cannot be an alias.`, {
      hint: 'Use lower case letters, digits and dashes, for example: --alias staging',
    });
  }
  if (alias !== 'previous' && isLabelled(alias)) return alias;
  throw new MlxError('USAGE', `'${alias}' is moved by mlx alone.`, {
    hint: 'Choose another, for example: --alias staging',
  });
}

/**
 * What `mlx serve` means: an alias its route; a version the production route when that is its own or still free, else a
 * route of its own (`tickets@v2`); a bare model its production version, else its newest.
 */
export function serveCandidate(ledger: Ledger, reference: string): Candidate {
  const versionRoute = /^(?<model>[^:@]+)@v(?<number>\d+)$/.exec(reference)?.groups;
  if (versionRoute)
    return versionCandidate(ledger, findVersion(ledger, `${versionRoute['model']}:${versionRoute['number']}`));
  const alias = /@(?<alias>.+)$/.exec(reference)?.groups?.['alias'];
  if (alias !== undefined) {
    const version = findVersion(ledger, reference);
    return alias === 'previous'
      ? versionCandidate(ledger, version)
      : { version, target: aliasTarget(version.model, alias) };
  }
  const named = findVersion(ledger, reference);
  if (reference.includes(':')) return versionCandidate(ledger, named);
  const live = aliasedVersion(ledger, named.model, production);
  return versionCandidate(ledger, live === undefined ? named : findVersion(ledger, `${named.model}:${live}`));
}

function versionCandidate(ledger: Ledger, version: ModelVersion): Candidate {
  const live = aliasedVersion(ledger, version.model, production);
  if (live === undefined || live === version.version) {
    return { version, target: aliasTarget(version.model, production) };
  }
  const alias = `v${version.version}`;
  return { version, target: { route: routeName(version.model, alias), alias, labelled: false } };
}

/**
 * The version that stood in production before the live one, never one that was rolled away from; or the wanted one.
 * @throws MlxError NOT_FOUND when there is nothing to go back to
 */
export function rollbackCandidate(ledger: Ledger, model: string, wanted: number | undefined): Candidate {
  const target = aliasTarget(model, production);
  if (wanted !== undefined) return { version: findVersion(ledger, `${model}:${wanted}`), target };
  // Also the usual error, with the nearest names, for a model that does not exist.
  if (listVersions(ledger, model).length === 0) findVersion(ledger, model);
  const live = liveVersion(ledger, model);
  const version = live === undefined ? undefined : versionBefore(ledger, { model, alias: production }, live);
  if (version) return { version, target };
  throw nothingEarlier(model, live, aliasHistory(ledger, { model, alias: production }).left);
}

function nothingEarlier(model: string, live: number | undefined, left: readonly number[]): MlxError {
  const others = left.filter((version) => version !== live);
  const what = `${model} has no earlier version in production to go back to`;
  if (live === undefined) return new MlxError('NOT_FOUND', `${what}.`, { hint: `Put one live: mlx promote ${model}` });
  const away = others.length === 0 ? '' : `; it was rolled back from ${others.join(', ')}`;
  const named = others.at(-1) ?? 'VERSION';
  return new MlxError('NOT_FOUND', `${what}: version ${live} is live${away}.`, {
    hint: `Name the one you mean: mlx rollback ${model} --to ${named} (mlx releases ${model} shows what was live)`,
  });
}

/** @throws MlxError NOT_FOUND, AMBIGUOUS when a command was given no model */
export function onlyModel(ledger: Ledger): string {
  const models = [...new Set(listVersions(ledger).map(({ model }) => model))];
  const [first] = models;
  if (first !== undefined && models.length === 1) return first;
  if (first === undefined) {
    throw new MlxError('NOT_FOUND', 'There is no model version yet.', { hint: 'Package a run: mlx package latest' });
  }
  throw new MlxError('AMBIGUOUS', `There are several models: ${models.join(', ')}.`, {
    hint: 'Name the one you mean.',
  });
}

/** What the alias says; a model that was only ever served has a route alone. */
export function liveVersion(ledger: Ledger, model: string, alias: string = production): number | undefined {
  return aliasedVersion(ledger, model, alias) ?? findRoute(ledger, routeName(model, alias))?.version;
}

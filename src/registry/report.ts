// What people read of a promotion, a rollback or its plan. Pure.
import { exitStatus, MlxError } from '../errors.js';
import { formatDuration } from '../output/numbers.js';
import type { Drill } from './drill.js';
import type { PromotionPlan } from './plan.js';
import type { PromotionResult } from './promote.js';

export function renderPromotion(result: PromotionResult): string {
  const version = `${result.model}:${result.toVersion}`;
  const before = result.fromVersion === null ? 'nothing' : `${result.model}:${result.fromVersion}`;
  const took = formatDuration(result.durationMs);
  switch (result.outcome) {
    case 'already_live':
      return `${version} is live at ${result.route} already; nothing was changed.`;
    case 'restarted':
      return `${version} is live at ${result.route} again, on a new server (${took}).`;
    case 'promoted':
      return `${version} is live at ${result.route} (before: ${before}; ${took}).`;
    case 'rolled_back':
      return `${result.model} is back at version ${result.toVersion} (before: ${before}; ${took}).${undoLine(result)}`;
    case 'failed':
      return renderFailure(result, version, before);
  }
}

/** A second rollback goes further back, and not forward again. */
function undoLine({ model, fromVersion }: PromotionResult): string {
  return fromVersion === null ? '' : `\nundo   mlx promote ${model}:${fromVersion}`;
}

/** Exit status of the command: what went wrong, in the terms of errors.ts. */
export function promotionStatus({ error }: Pick<PromotionResult, 'error'>): number {
  return error === null ? exitStatus.ok : new MlxError(error.code, error.message).exitStatus;
}

export function renderPlan(plan: PromotionPlan): string {
  const version = `${plan.model}:${plan.toVersion}`;
  if (plan.alreadyLive) return `${version} is live at ${plan.route} already; there is nothing to do.`;
  const before = plan.fromVersion === null ? 'nothing' : `${plan.model}:${plan.fromVersion}`;
  const steps = plan.steps.map((step, index) => `  ${index + 1}. ${step}`);
  return [
    `Would put ${version} live at ${plan.route} (now: ${before}). ${outageText(plan)} Nothing was changed.`,
    `By ${plan.strategy} (${plan.why}).${startText(plan)}`,
    ...steps,
  ].join('\n');
}

function outageText({ outage, expectedWaitMs }: PromotionPlan): string {
  if (outage === 'none') return 'Outage for clients: none.';
  const howLong = expectedWaitMs === null ? 'as long as it takes to start' : `about ${formatDuration(expectedWaitMs)}`;
  return `Clients wait ${howLong}; nothing is lost.`;
}

function startText({ expectedStartMs, strategy }: PromotionPlan): string {
  if (expectedStartMs === null) return '';
  const what = strategy === 'adapter-swap' ? 'The last adapter' : 'The last server';
  return ` ${what} of this model was ready after ${formatDuration(expectedStartMs)}.`;
}

export function renderDrill({ model, toVersion, route, untilSwitchedMs, startedServer, error }: Drill): string {
  const version = `${model}:${toVersion}`;
  if (error !== null) return `A rollback to ${version} would fail now: ${error.message} [${error.code}]`;
  const took = untilSwitchedMs === null ? 'no time' : formatDuration(untilSwitchedMs);
  const how = startedServer ? 'a new server was started for it' : 'on a server that runs already';
  return `A rollback to ${version} would take ${took} (${how}). Rehearsed at ${route}, which is gone again; production was not touched.`;
}

function renderFailure({ error, fromVersion }: PromotionResult, version: string, before: string): string {
  const stays = fromVersion === null ? 'nothing was changed' : `${before} stays as it was`;
  const hint = error?.hint ? `\nnext   ${error.hint}` : '';
  return `${version} was not put live; ${stays}.\n${error === null ? '' : errorText(error)}${hint}`;
}

/** Of golden prompts with what was expected and answered, a line or two each; --json has them whole. */
export function errorText({ code, message, problems = [] }: NonNullable<PromotionResult['error']>): string {
  if (problems.length === 0) return `${message} [${code}]`;
  const shown = problems
    .slice(0, shownProblems)
    .flatMap(({ line, expected, actual, message: what }) => [
      `  line ${line ?? 0}: ${what}`,
      ...(expected === undefined ? [] : [`    expected  ${shortened(expected)}`]),
      ...(actual === undefined ? [] : [`    answered  ${shortened(actual)}`]),
    ]);
  const more =
    problems.length > shownProblems ? [`  and ${problems.length - shownProblems} more (--json has all)`] : [];
  return [`${message.split('\n')[0] ?? ''} [${code}]`, ...shown, ...more].join('\n');
}

const shownProblems = 5;
const longestShown = 140;

/** It may be anything: nothing of it reaches the terminal but words, no order to it, nor what turns their order round (U+202E). */
function shortened(text: string): string {
  const words = text.replaceAll(/[\p{C}\s]+/gu, ' ').trim();
  if (words === '') return '(nothing)';
  // By code points: a letter that is cut in two would be an unreadable one.
  const letters = [...words];
  return letters.length <= longestShown ? words : `${letters.slice(0, longestShown).join('')}…`;
}

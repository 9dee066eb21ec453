// What `--canary 5% --step 25% --every 10m` and `--shadow` ask for: the shares, one after the other, and how long each is watched. Pure.
import { MlxError } from '../errors.js';
import type { RouteSplit } from '../ledger/route-splits.js';
import { readSpan } from '../output/spans.js';

export type CanaryPlan = Pick<RouteSplit, 'kind' | 'sticky'> & {
  /** In percent, rising. Never 100: all of it is a promotion, which a person decides. */
  shares: number[];
  everyMs: number;
};

export const stickies: readonly RouteSplit['sticky'][] = ['key', 'feature', 'request'];

type CanaryFlags = {
  canary?: string;
  shadow?: string | boolean;
  step?: string;
  every?: string;
  sticky?: RouteSplit['sticky'];
};

/** @returns undefined when neither is asked for. @throws MlxError USAGE */
export function readCanary(
  flags: CanaryFlags & { alias?: string; watch?: string; strategy?: string },
): CanaryPlan | undefined {
  const { canary, shadow, step, every = '10m', sticky = 'key' } = flags;
  checkNeeded(flags);
  if (canary === undefined && shadow === undefined) return undefined;
  checkAlone(flags);
  const everyMs = readSpan(every, '--every');
  if (everyMs === 0)
    throw new MlxError('USAGE', `--every takes a time above zero, not '${every}'.`, {
      hint: 'For example: --every 10m',
    });
  if (canary === undefined) {
    const share = typeof shadow === 'string' ? readPercent(shadow, '--shadow', 100) : 100;
    return { kind: 'shadow', sticky: 'request', shares: [share], everyMs };
  }
  const first = readPercent(canary, '--canary', 99);
  return { kind: 'canary', sticky, shares: sharesFrom(first, step), everyMs };
}

/** 5, 30, 55, 80. */
function sharesFrom(first: number, step: string | undefined): number[] {
  if (step === undefined) return [first];
  const by = readPercent(step, '--step', 99);
  return Array.from({ length: Math.ceil((100 - first) / by) }, (_, index) => first + index * by);
}

/** Whoever meant a share of the requests is not given all of them. */
function checkNeeded({ canary, shadow, step, sticky, every }: CanaryFlags): void {
  const wrong = [
    { is: step !== undefined && canary === undefined, what: '--step needs --canary', hint: '--canary 5% --step 25%' },
    {
      is: sticky !== undefined && canary === undefined,
      what: '--sticky needs --canary',
      hint: '--canary 5% --sticky request',
    },
    {
      is: every !== undefined && canary === undefined && shadow === undefined,
      what: '--every needs --canary or --shadow',
      hint: '--canary 5% --every 10m',
    },
  ].find(({ is }) => is);
  if (wrong) throw new MlxError('USAGE', `${wrong.what}.`, { hint: `For example: ${wrong.hint}` });
}

function checkAlone({ canary, shadow, alias, watch, strategy }: Parameters<typeof readCanary>[0]): void {
  const wrong = [
    [canary !== undefined && shadow !== undefined, '--canary and --shadow are two different trials'],
    [watch !== undefined, '--watch comes after a whole switch; each share of a canary is watched for --every'],
    [
      alias !== undefined && alias !== 'production',
      'a share of the requests can be given to a candidate of production alone',
    ],
    [
      strategy === 'hold' || strategy === 'sleep',
      `a canary runs beside the version that is live; --strategy ${strategy ?? ''} has room for one alone`,
    ],
  ].find(([is]) => is);
  if (wrong) throw new MlxError('USAGE', `These flags do not go together: ${String(wrong[1])}.`);
}

function readPercent(text: string, flag: string, most: number): number {
  const percent = Number(/^(\d+(?:\.\d+)?)%?$/.exec(text)?.[1]);
  if (percent > 0 && percent <= most) return percent;
  throw new MlxError('USAGE', `${flag} takes a share above 0 % and up to ${most} %, not '${text}'.`, {
    hint: most < 100 ? 'All of it is a promotion: mlx promote without --canary' : `For example: ${flag} 50%`,
  });
}

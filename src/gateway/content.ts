// The two stages that change what is asked: prompts of the project put in, and identifiers taken out before a request leaves
// the machine. What counts is read for each request, so that a reload changes it between two of them.
import type { RedactionConfig, RouteRedaction } from '../config/redaction-schema.js';
import type { RedactionRules } from '../privacy/redact-request.js';
import { openNameDetector, type NameDetector } from './name-detector.js';
import { promptExpander } from './prompting/expand.js';
import { openPromptStore } from './prompting/store.js';
import { redactionStage } from './redaction.js';
import type { Stages } from './stages.js';

export type ContentSettings = {
  promptsFolder: string;
  redaction: () => RedactionConfig;
  /** What a route of mlx.yaml says of its own. */
  routeOf: (name: string) => RouteContent | undefined;
};

export type RouteContent = { prompt: string | undefined; redaction: RouteRedaction };

export type Content = {
  stages: Pick<Stages, 'expand' | 'redact'>;
  /** What is taken out of what is kept, whatever a route sends: here nothing puts it back, and media are never kept. */
  captureRules: (route: string) => RedactionRules;
  close: () => Promise<void>;
};

export function openContent({ promptsFolder, redaction, routeOf }: ContentSettings): Content {
  const detectors = new Map<string, NameDetector>();
  const detectorAt = (url: string): NameDetector => {
    const detector = detectors.get(url) ?? openNameDetector(url);
    detectors.set(url, detector);
    return detector;
  };
  const withNames = ({ kinds, phoneRegions, allowMedia, namesUrl }: RedactionConfig): RedactionRules => {
    const wantsNames = kinds.includes('name') && namesUrl !== undefined;
    return { kinds, phoneRegions, allowMedia, findNames: wantsNames ? detectorAt(namesUrl).find : undefined };
  };
  const rulesOf = (route: string): RedactionRules | undefined => {
    const rules = { ...redaction(), ...routeOf(route)?.redaction };
    return rules.enabled ? withNames(rules) : undefined;
  };
  const captureRules = (route: string): RedactionRules => {
    return withNames({ ...redaction(), ...routeOf(route)?.redaction, allowMedia: false });
  };
  return {
    stages: {
      expand: promptExpander(openPromptStore(promptsFolder), (route) => routeOf(route)?.prompt),
      redact: redactionStage(rulesOf),
    },
    captureRules,
    close: async () => {
      await Promise.all([...detectors.values()].map((detector) => detector.close()));
    },
  };
}

// What the detectors find in a text, as `kind: text` lines: short to write and to compare.
import { findIdentifiers } from '../../../../src/privacy/detect.js';
import { kinds } from '../../../../src/privacy/spans.js';

const detection = { kinds, phoneRegions: ['US', 'JP'] };

export function found(text: string, label?: string): string[] {
  return findIdentifiers(text, detection, label).map(({ start, end, kind }) => `${kind}: ${text.slice(start, end)}`);
}

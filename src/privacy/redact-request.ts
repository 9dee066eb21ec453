// One request on its way off the machine: every identifier in it becomes a placeholder, or the request does not go.
import { findIdentifiers, type Detection } from './detect.js';
import { openPlaceholders } from './placeholders.js';
import { rewriteRequest, protocolName, signedThinking } from './request-texts.js';
import { withoutOverlaps, type Span } from './spans.js';

/** Names of people in each text, as an optional local detector finds them. Must throw when it cannot tell. */
export type FindNames = (texts: readonly string[]) => Promise<Span[][]>;

export type RedactionRules = Detection & {
  /** Images, audio and files go out as they are. */
  allowMedia: boolean;
  findNames: FindNames | undefined;
};

export type RedactedRequest =
  | {
      /** The same object as came in when there was nothing to replace. */
      fields: Record<string, unknown>;
      /** Placeholder -> original; empty when there was nothing to replace. */
      originals: ReadonlyMap<string, string>;
    }
  | { refusal: string };

/** @throws whatever the name detector throws; the caller must then not send the request */
export async function redactRequest(fields: Record<string, unknown>, rules: RedactionRules): Promise<RedactedRequest> {
  const found = new Map<string, Span[]>();
  const placeholders = openPlaceholders();
  const { media, unreadable } = rewriteRequest(fields, (text, label) => {
    // Placeholders in thinking are those of an earlier turn, which this one numbers alike.
    if (label !== signedThinking) placeholders.reserve(text);
    const at = placeOf(text, label);
    if (!found.has(at)) found.set(at, findIdentifiers(text, rules, label));
    return text;
  });
  if (unreadable.length > 0) {
    return { refusal: `${unreadable.join(' and ')} cannot be redacted: send the text itself` };
  }
  if (media.length > 0 && !rules.allowMedia) {
    return { refusal: `${media.join(', ')} cannot be redacted, and this route does not allow media` };
  }
  if (rules.findNames !== undefined) await addNames(found, rules.findNames);
  if ([...found.values()].every((spans) => spans.length === 0)) return { fields, originals: new Map() };
  const redacted = rewriteRequest(fields, (text, label) =>
    placeholders.replace(text, found.get(placeOf(text, label)) ?? []),
  );
  return { fields: redacted.fields, originals: placeholders.originals };
}

/** A text is judged with its label: the same digits may be an account under one key and nothing under another. */
function placeOf(text: string, label: string): string {
  return `${label}\0${text}`;
}

async function addNames(found: Map<string, Span[]>, findNames: FindNames): Promise<void> {
  const places = [...found.keys()].filter((place) => !place.startsWith(protocolName));
  const names = await findNames(places.map((place) => place.slice(place.indexOf('\0') + 1)));
  if (names.length !== places.length) throw new Error('The name detector answered for another number of texts.');
  for (const [index, place] of places.entries()) {
    found.set(place, withoutOverlaps([...(found.get(place) ?? []), ...(names[index] ?? [])]));
  }
}

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

type Fields = Record<string, unknown>;

export type RedactedRequest =
  | {
      /** The same object as came in when there was nothing to replace. */
      fields: Fields;
      /** Placeholder -> original; empty when there was nothing to replace. */
      originals: ReadonlyMap<string, string>;
    }
  | { refusal: string };

export type RedactedBodies = { bodies: Fields[]; originals: ReadonlyMap<string, string> } | { refusal: string };

/** @throws whatever the name detector throws; the caller must then not send the request */
export async function redactRequest(fields: Fields, rules: RedactionRules): Promise<RedactedRequest> {
  const redacted = await redactTogether([fields], rules);
  if ('refusal' in redacted) return redacted;
  const [body = fields] = redacted.bodies;
  return { fields: body, originals: redacted.originals };
}

/** Several bodies with one numbering: what a question names and its answer repeats is the same placeholder. */
export async function redactTogether(bodies: readonly Fields[], rules: RedactionRules): Promise<RedactedBodies> {
  const found = new Map<string, Span[]>();
  const placeholders = openPlaceholders();
  const read = bodies.map((body) =>
    rewriteRequest(body, (text, label) => {
      // Placeholders in thinking are those of an earlier turn, which this one numbers alike.
      if (label !== signedThinking) placeholders.reserve(text);
      const at = placeOf(text, label);
      if (!found.has(at)) found.set(at, findIdentifiers(text, rules, label));
      return text;
    }),
  );
  const unreadable = read.flatMap((texts) => texts.unreadable);
  const media = read.flatMap((texts) => texts.media);
  if (unreadable.length > 0) {
    return { refusal: `${unreadable.join(' and ')} cannot be redacted: send the text itself` };
  }
  if (media.length > 0 && !rules.allowMedia) {
    return { refusal: `${media.join(', ')} cannot be redacted, and this route does not allow media` };
  }
  if (rules.findNames !== undefined) await addNames(found, rules.findNames);
  if ([...found.values()].every((spans) => spans.length === 0)) return { bodies: [...bodies], originals: new Map() };
  const replaced = bodies.map((body) =>
    rewriteRequest(body, (text, label) => placeholders.replace(text, found.get(placeOf(text, label)) ?? [])),
  );
  return { bodies: replaced.map(({ fields }) => fields), originals: placeholders.originals };
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

// Texts with the places of the identifiers in them. The same seed and templates give the same texts.
import { identifiers } from './identifiers.js';
import { negatives } from './negatives.js';
import { openRandom } from './random.js';

const placeholder = /\{(-?)([a-z_]+)\}/g;

/** @returns `[{ text, spans: [{ start, end, kind }] }]`, each template `repeats` times */
export function makeCorpus(templates, seed, repeats) {
  const random = openRandom(seed);
  const texts = [];
  for (let round = 0; round < repeats; round += 1) {
    for (const template of templates) texts.push(fill(template, random));
  }
  return texts;
}

function fill(template, random) {
  const spans = [];
  let text = '';
  let position = 0;
  for (const match of template.matchAll(placeholder)) {
    const [whole, minus, name] = match;
    text += template.slice(position, match.index);
    const value = (minus === '-' ? negatives : identifiers)[name](random);
    // An invoice registration number is a corporate number with a T before it.
    const kind = name === 'invoice_number' ? 'corporate_number' : name;
    if (minus === '') spans.push({ start: text.length, end: text.length + value.length, kind });
    text += value;
    position = match.index + whole.length;
  }
  return { text: text + template.slice(position), spans };
}

// Search in texts without a server: folding as the server does it (explorer/highlight.py), and excerpts with matches.
import { elementAt } from "./arrays";
import type { Hit } from "./contract";

const MAX_TERMS = 20;
const MAX_MARKS = 200;
const EXCERPT = 300; // characters
const LEAD = 80; // characters before the first match

/** Whether a mark has a combining class other than 0, which NFD puts in an order relative to U+0345. */
const combines = (mark: string) => `\u0345${mark}`.normalize("NFD") !== `\u0345${mark}`;

/** The text without case and accents. */
export const foldText = (text: string) =>
  text
    .toLowerCase()
    .replaceAll("ß", "ss")
    .replaceAll("ς", "σ")
    .normalize("NFKD")
    .replaceAll("\u0345", "ι")
    .replace(/\p{M}/gu, (mark) => (combines(mark) ? "" : mark));

export const collapseSpaces = (text: string) => text.trim().replace(/\s+/g, " ");

/** The words and "quoted phrases" of a search, folded. */
export function searchTerms(search: string): string[] {
  const terms = [...search.matchAll(/"([^"]*)"?|(\S+)/g)].map(([, phrase, word]) =>
    collapseSpaces(foldText(phrase || word || "")),
  );
  return [...new Set(terms.filter(Boolean))].slice(0, MAX_TERMS);
}

/** The folded text, and for each of its UTF-16 units the position of the character that it comes from. */
function foldWithOrigins(text: string) {
  let folded = "";
  const origins: number[] = [];
  let position = 0;
  for (const character of text) {
    const plain = foldText(character);
    for (let i = 0; i < plain.length; i++) origins.push(position);
    folded += plain;
    position += character.length;
  }
  origins.push(position);
  return { folded, origins };
}

const escapePattern = (term: string) => term.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll(" ", "\\s+");

/** Where the terms occur in a text, in order, as UTF-16 units. */
function findSpans(text: string, terms: string[]): [number, number][] {
  if (!terms.length) return [];
  const { folded, origins } = foldWithOrigins(text);
  const pattern = new RegExp(terms.map(escapePattern).join("|"), "g");
  const matches = [...folded.matchAll(pattern)].slice(0, MAX_MARKS);
  return matches.map((match): [number, number] => {
    const start = elementAt(origins, match.index);
    // up to the next character that folds to something: with its marks, and whole if it folds to several letters
    let next = match.index + match[0].length;
    const last = elementAt(origins, next - 1);
    while (elementAt(origins, next) === last) next++;
    return [start, elementAt(origins, next)];
  });
}

/** The part of a text around the first match, and where the terms occur in it. */
export function excerpt(text: string, terms: string[]): Pick<Hit, "text" | "marks"> {
  const spans = findSpans(text, terms);
  const [first] = spans;
  const start = text.length > EXCERPT && first ? Math.max(0, first[0] - LEAD) : 0;
  const end = Math.min(text.length, start + EXCERPT);
  const prefix = start > 0 ? "…" : "";
  const shift = prefix.length - start;
  const marks: [number, number][] = [];
  for (const [from, to] of spans) {
    if (to > end) break;
    const last = marks.at(-1);
    if (last && from + shift <= last[1]) last[1] = Math.max(last[1], to + shift);
    else marks.push([from + shift, to + shift]);
  }
  return { text: prefix + text.slice(start, end) + (end < text.length ? "…" : ""), marks };
}

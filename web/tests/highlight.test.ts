// Search folding, the terms of a search and what they mark, held to the same cases as the server.
import { describe, expect, test } from "vitest";
import { collapseSpaces, excerpt, foldText, searchTerms } from "../src/highlight";
import { readGolden } from "./golden";

interface Golden {
  folded: { name: string; text: string; folded: string }[];
  terms: { name: string; search: string; terms: string[] }[];
  matches: { search: string; text: string; found: boolean; marked: string }[];
}
const golden = readGolden<Golden>("search_folding");

/** The excerpt with its marks as ⟦brackets⟧; adjacent ones are one. */
function bracketed(text: string, terms: string[]): string {
  const { text: shown, marks } = excerpt(text, terms);
  let [result, position] = ["", 0];
  for (const [start, end] of marks) {
    result += `${shown.slice(position, start)}⟦${shown.slice(start, end)}⟧`;
    position = end;
  }
  return (result + shown.slice(position)).replaceAll("⟧⟦", "");
}

describe("texts are folded as on the server", () => {
  test.each(golden.folded)("$name", ({ text, folded }) => {
    expect(foldText(text)).toBe(folded);
    expect(foldText(folded)).toBe(folded);
  });
});

describe("a search is split into words and phrases as on the server", () => {
  test.each(golden.terms)("$name", ({ search, terms }) => {
    expect(searchTerms(search)).toEqual(terms);
  });
});

describe("a search finds and marks the same as on the server", () => {
  test.each(golden.matches)("$search in $text", ({ search, text, found, marked }) => {
    const terms = searchTerms(search);
    const folded = collapseSpaces(foldText(text));
    expect(terms.every((term) => folded.includes(term))).toBe(found);
    expect(bracketed(text, terms)).toBe(marked);
  });
});

describe("an excerpt of a long text", () => {
  const filler = "The quick brown fox jumps over the lazy dog. ".repeat(30);

  test("starts shortly before the first match", () => {
    const { text, marks } = excerpt(`${filler}Zürich 🛠️ ${filler}`, ["zurich"]);
    expect(text.length).toBeLessThanOrEqual(302);
    expect(text.startsWith("…") && text.endsWith("…")).toBe(true);
    expect(marks.map(([start, end]) => text.slice(start, end))).toEqual(["Zürich"]);
  });

  test("starts at the beginning if nothing is searched for", () => {
    expect(excerpt(filler, [])).toEqual({ text: `${filler.slice(0, 300)}…`, marks: [] });
  });

  test("has no mark that it cuts", () => {
    const { text, marks } = excerpt(`dog ${"x".repeat(293)} dogged`, ["dog"]);
    expect(marks.map(([start, end]) => text.slice(start, end))).toEqual(["dog"]);
  });
});

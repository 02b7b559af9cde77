// Queries answered in the page: search by words, filters and sorting over the inlined texts.
import { elementAt } from "../arrays";
import type { Hit, Hits, Query, Sort } from "../contract";
import { collapseSpaces, excerpt, foldText, searchTerms } from "../highlight";
import type { InlinedRun } from "./run";

export class InlinedSearch {
  private readonly foldedTexts: string[] = []; // filled as texts are searched
  private readonly hasNumericIds: boolean;

  constructor(private readonly run: InlinedRun) {
    this.hasNumericIds = run.texts.every(({ id }) => /^-?[0-9]{1,15}$/.test(id));
  }

  search(query: Query): Hits {
    const { run } = this;
    const terms = searchTerms(query.search ?? "");
    const candidates = query.rows ? query.rows.flatMap((row) => run.indexOf(row) ?? []) : run.texts.keys();
    const matches: number[] = [];
    for (const i of candidates) if (this.passesFilters(query, i) && this.hasTerms(terms, i)) matches.push(i);
    if (query.sort) this.sort(matches, query.sort);
    const offset = query.offset ?? 0;
    const page = matches.slice(offset, offset + (query.limit ?? 50));
    return {
      total: matches.length,
      hits: page.map((i) => this.hit(query, terms, i)),
      rows: offset ? [] : matches.map((i) => run.text(i).row),
    };
  }

  private passesFilters({ dominant, factors, columns }: Query, i: number): boolean {
    if (dominant?.length && !dominant.includes(this.run.dominant(i))) return false;
    for (const { factor, low, high } of factors ?? []) {
      const score = this.run.score(factor, i);
      if ((low !== null && score < low) || (high !== null && score > high)) return false;
    }
    for (const { column, values, low, high } of columns ?? []) {
      const value = this.run.value(column, i);
      // NaN, which is missing, is in no range
      if (values ? !values.includes(value) : !(value >= (low ?? -Infinity) && value <= (high ?? Infinity)))
        return false;
    }
    return true;
  }

  private hasTerms(terms: string[], i: number): boolean {
    if (!terms.length) return true;
    this.foldedTexts[i] ??= collapseSpaces(foldText(this.run.text(i).text));
    const folded = this.foldedTexts[i];
    return terms.every((term) => folded.includes(term));
  }

  /** What texts are sorted by; NaN where it is missing. */
  private sortKey({ by, at = 0 }: Sort): (i: number) => number | string {
    const { run } = this;
    switch (by) {
      case "id":
        return this.hasNumericIds ? (i) => Number(run.text(i).id) : (i) => run.text(i).id;
      case "length":
        return (i) => run.text(i).text.length;
      case "factor":
        return (i) => run.score(at, i);
      case "column": {
        const isNumeric = elementAt(run.summary.columns, at).kind === "number";
        return (i) => (isNumeric || run.value(at, i) >= 0 ? run.value(at, i) : Number.NaN);
      }
    }
  }

  /** Sorts in place; missing values come last in both directions. */
  private sort(indices: number[], sort: Sort) {
    const key = this.sortKey(sort);
    const sign = sort.down ? -1 : 1;
    indices.sort((i, j) => {
      const [a, b] = [key(i), key(j)];
      const missing = Number(Number.isNaN(a)) - Number(Number.isNaN(b));
      return missing || (a < b ? -sign : a > b ? sign : 0);
    });
  }

  private hit(query: Query, terms: string[], i: number): Hit {
    const { row, id, text, values } = this.run.text(i);
    const dominant = this.run.dominant(i);
    const wanted = query.sort?.by === "factor" ? query.sort.at : query.factors?.[0]?.factor;
    return {
      row,
      id,
      ...excerpt(text, terms),
      dominant,
      score: dominant >= 0 ? this.run.score(dominant, i) : null,
      sought: wanted === undefined ? null : this.run.score(wanted, i),
      relevance: null,
      values,
    };
  }
}

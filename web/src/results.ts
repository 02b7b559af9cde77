// The texts that match the current query, loaded page by page as the list is scrolled.
import { signal } from "@preact/signals";
import type { Hit, Hits } from "./contract";
import { errorMessage, query, source } from "./model";

const PAGE_SIZE = 60;

export interface Results {
  status: "loading" | "ready" | "failed";
  error: string;
  total: number;
  rows: number[];
  hits: Map<number, Hit>; // by position in the list
}
const NO_RESULTS: Results = { status: "loading", error: "", total: 0, rows: [], hits: new Map() };
export const results = signal<Results>(NO_RESULTS);

let currentRequest: AbortController | null = null;
const requestedPages = new Set<number>();

/** Runs the current query from its first page; a request that is still under way is aborted. */
export async function fetchTexts() {
  currentRequest?.abort();
  const controller = new AbortController();
  currentRequest = controller;
  requestedPages.clear();
  requestedPages.add(0);
  results.value = { ...results.peek(), status: "loading", error: "" };
  try {
    const first = await source.texts({ ...query.peek(), offset: 0, limit: PAGE_SIZE }, controller.signal);
    if (controller.signal.aborted) return;
    const hits = new Map(first.hits.map((hit, position) => [position, hit]));
    results.value = { status: "ready", error: "", total: first.total, rows: first.rows, hits };
  } catch (error) {
    if (controller.signal.aborted) return;
    results.value = { ...NO_RESULTS, status: "failed", error: errorMessage(error) };
  }
}

/** Fetches the pages that hold the positions `from` to `to`, unless they were requested before. */
export function fetchMoreTexts(from: number, to: number) {
  const controller = currentRequest;
  if (!controller || results.peek().status !== "ready") return;
  for (let page = Math.floor(from / PAGE_SIZE); page <= Math.floor(to / PAGE_SIZE); page++) {
    if (requestedPages.has(page) || page * PAGE_SIZE >= results.peek().total) continue;
    requestedPages.add(page);
    const request = { ...query.peek(), offset: page * PAGE_SIZE, limit: PAGE_SIZE };
    source.texts(request, controller.signal).then(
      (more) => {
        if (!controller.signal.aborted) addPage(page, more);
      },
      () => requestedPages.delete(page),
    );
  }
}

function addPage(page: number, more: Hits) {
  const hits = new Map(results.peek().hits);
  more.hits.forEach((hit, position) => {
    hits.set(page * PAGE_SIZE + position, hit);
  });
  results.value = { ...results.peek(), hits };
}

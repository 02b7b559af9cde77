// The source behind a running `goalspace explore`: one request a question, with the token of the page's address.
import type { Changed, Edit, Query, Summary } from "./contract";
import { type ExportedFormat, type ExportedTable, readPositions, type Source } from "./source";

export class RequestError extends Error {
  constructor(
    line: string,
    readonly status = 0,
  ) {
    super(line);
  }
}

export function servedSource(token: string): Source {
  let known: Promise<Summary> | null = null;

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(path, {
        ...init,
        cache: "no-store",
        headers: {
          "X-Goalspace-Token": token,
          ...(init.body ? { "Content-Type": "application/json" } : {}),
        },
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new RequestError("The server does not answer. Is `goalspace explore` still running?");
    }
    if (response.ok) return response;
    const said = await response.json().catch(() => null);
    const line =
      typeof said?.error === "string"
        ? said.error
        : `The server failed (${response.status}). Its terminal says why.`;
    throw new RequestError(line, response.status);
  }

  const json = async (path: string, init?: RequestInit) => (await ask(path, init)).json();
  const post = (path: string, body: unknown, signal?: AbortSignal) =>
    json(path, { method: "POST", body: JSON.stringify(body), signal });
  const bytes = async (path: string) => (await ask(path)).arrayBuffer();
  /** An answer with a newer summary; where it is refused, the one before holds. */
  const changed = async (asked: Promise<Changed>) => {
    const next = await asked;
    known = Promise.resolve(next);
    return next;
  };
  const summary = () => {
    known ??= json("api/summary");
    return known;
  };

  return {
    served: true,
    summary,
    since: (seen) => changed(json(`api/summary?seen=${seen}`)),
    map: async () => readPositions(await bytes("api/map"), (await summary()).n_shown),
    scores: async (factor) => new Float32Array(await bytes(`api/scores/${factor}`)),
    column: async (position) => {
      const data = await bytes(`api/columns/${position}`);
      const kind = (await summary()).columns[position].kind;
      return kind === "number" ? new Float32Array(data) : new Int16Array(data);
    },
    layer: () => json("api/properties"),
    factor: (factor) => json(`api/factors/${factor}`),
    texts: (query: Query, signal) => post("api/texts", query, signal),
    why: (row) => json(`api/texts/${row}`),
    compare: (column, pair) =>
      json(`api/compare?column=${column}${pair ? `&a=${pair[0]}&b=${pair[1]}` : ""}`),
    agreement: (run) => json(`api/runs/${encodeURIComponent(run)}`),
    edit: (edit: Edit, seen) => changed(post("api/edits", { ...edit, seen })),
    undo: (seen) => changed(post("api/undo", { seen })),
    redo: (seen) => changed(post("api/redo", { seen })),
    table: async (what: ExportedTable, format: ExportedFormat, query?: Query) => {
      const init = query ? { method: "POST", body: JSON.stringify(query) } : undefined;
      return (await ask(`api/export/${what}.${format}`, init)).blob();
    },
    report: async () => (await ask("api/export/report.html")).blob(),
  };
}

// The source behind a running `goalspace explore`: one HTTP request each, with the token of the page's address.
import { elementAt } from "./arrays";
import type { Changed, Edit, ErrorMessage, Query, Seen, Summary } from "./contract";
import { readPositions, type Source } from "./source";

/** A request that failed; the status is 0 if the server did not answer. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly status = 0,
  ) {
    super(message);
  }
}

type RequestBody = Query | Seen | (Edit & Seen);

/** Sends requests to the server. */
class Client {
  constructor(private readonly token: string) {}

  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers: Record<string, string> = { "X-Goalspace-Token": this.token };
    if (init.body) headers["Content-Type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(path, { ...init, cache: "no-store", headers });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new RequestError("The server is not responding. Is `goalspace explore` still running?");
    }
    if (response.ok) return response;
    const body: Partial<ErrorMessage> | null = await response.json().catch(() => null);
    const message =
      typeof body?.error === "string"
        ? body.error
        : `The server reported an error (${response.status}). See its terminal for details.`;
    throw new RequestError(message, response.status);
  }

  async json(path: string, init?: RequestInit) {
    return (await this.request(path, init)).json();
  }

  post(path: string, body: RequestBody, signal?: AbortSignal) {
    return this.json(path, { method: "POST", body: JSON.stringify(body), signal });
  }

  async bytes(path: string) {
    return (await this.request(path)).arrayBuffer();
  }

  async blob(path: string, init?: RequestInit) {
    return (await this.request(path, init)).blob();
  }
}

export function servedSource(token: string): Source {
  const client = new Client(token);
  let latest: Promise<Summary> | null = null;
  const summary = () => {
    latest ??= client.json("api/summary");
    return latest;
  };
  /** Keeps the summary in an answer as the latest one; if the request is refused, the one before stays. */
  const keepSummary = async (answer: Promise<Changed>) => {
    const changed = await answer;
    latest = Promise.resolve(changed);
    return changed;
  };
  return {
    served: true,
    summary,
    since: (seen) => keepSummary(client.json(`api/summary?seen=${seen}`)),
    map: async () => readPositions(await client.bytes("api/map"), (await summary()).n_shown),
    scores: async (factor) => new Float32Array(await client.bytes(`api/scores/${factor}`)),
    column: async (position) => {
      const data = await client.bytes(`api/columns/${position}`);
      const { kind } = elementAt((await summary()).columns, position);
      return kind === "number" ? new Float32Array(data) : new Int16Array(data);
    },
    layer: () => client.json("api/properties"),
    factor: (factor) => client.json(`api/factors/${factor}`),
    texts: (query, signal) => client.post("api/texts", query, signal),
    why: (row) => client.json(`api/texts/${row}`),
    compare: (column, pair) =>
      client.json(`api/compare?column=${column}${pair ? `&a=${pair[0]}&b=${pair[1]}` : ""}`),
    overTime: (column) => client.json(`api/over-time?column=${column}`),
    agreement: (run) => client.json(`api/runs/${encodeURIComponent(run)}`),
    edit: (edit, seen) => keepSummary(client.post("api/edits", { ...edit, seen })),
    undo: (seen) => keepSummary(client.post("api/undo", { seen })),
    redo: (seen) => keepSummary(client.post("api/redo", { seen })),
    table: (what, format, query) => {
      const init = query && { method: "POST", body: JSON.stringify(query) };
      return client.blob(`api/export/${what}.${format}`, init);
    },
    report: () => client.blob("api/export/report.html"),
  };
}

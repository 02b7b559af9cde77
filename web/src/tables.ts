// Exported tables for pages without a server, with the same columns as the server writes.
import type { ExportedFormat, Summary } from "./contract";

export type Row = Record<string, string | number | boolean | null>;

/** A column name that is not taken yet. */
export const freeName = (name: string, row: Row): string =>
  Object.hasOwn(row, name) ? freeName(`${name}_`, row) : name;

export const factorRows = ({ factors, kind }: Summary): Row[] =>
  factors.map((f) => ({
    factor: f.name,
    description: f.description,
    positive_pole: f.poles[0] ?? null,
    negative_pole: f.poles[1] ?? null,
    [kind === "texts" ? "tc_nats" : "likeness"]: f.tc,
    n_texts_dominated: f.n_texts,
    n_properties: f.n_properties,
    hidden: f.hidden,
  }));

export const propertyRows = ({ factors }: Summary): Row[] =>
  factors.flatMap((f) =>
    f.properties.map((p) => ({ property: p.name, factor: f.name, loading: p.weight, n_texts: p.n_texts })),
  );

export const evidenceRows = ({ factors }: Summary): Row[] =>
  factors.flatMap((f) =>
    f.evidence.map((e) => ({ factor: f.name, id: e.id, pole: e.pole, score: e.score, sentence: e.sentence })),
  );

function csvCell(value: Row[string]): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = value ?? "";
  // a spreadsheet would run a text that looks like a formula
  const isFormula = /^[=+\-@\t\r\n]/.test(text) && (!text.trim() || Number.isNaN(Number(text)));
  const harmless = isFormula ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}

export function tableFile(rows: Row[], format: ExportedFormat): Blob {
  if (format === "json") return new Blob([JSON.stringify(rows, null, 1)], { type: "application/json" });
  const names = Object.keys(rows[0] ?? {});
  const lines = [names.map(csvCell), ...rows.map((row) => names.map((name) => csvCell(row[name] ?? null)))];
  return new Blob([lines.map((line) => `${line.join(",")}\r\n`).join("")], { type: "text/csv" });
}

// The cases in tests/golden, which the Python tests read too.
import { readFileSync } from "node:fs";

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../tests/golden/${name}.json`, import.meta.url), "utf8"));
}

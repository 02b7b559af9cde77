// The page: finds its source, then shows the view that the address names.
import { render } from "preact";
import type { Inlined } from "./contract";
import { inlinedSource } from "./inlined/source";
import { App } from "./parts/Shell";
import { servedSource } from "./served";
import { start } from "./start";
import "./style.css";
import "./views.css";

function boot() {
  const root = document.getElementById("app");
  if (!root) return;
  const data = document.getElementById("goalspace-data");
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const source = data?.textContent
    ? inlinedSource(JSON.parse(data.textContent) as Inlined)
    : servedSource(token);
  render(<App />, root);
  start(source);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", boot);
else boot();

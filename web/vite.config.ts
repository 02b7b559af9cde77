// One script, one style sheet, two pages: index.html for the server, report.html for Python to fill. Fixed names, no
// hashes: the bundle is committed and must equal a fresh build.
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

function pages(): Plugin {
  return {
    name: "pages",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      const index = bundle["index.html"];
      if (index?.type !== "asset") throw new Error("no index.html");
      const head = '<link rel="stylesheet" href="app.css">\n<script src="app.js" defer></script>\n';
      const page = String(index.source)
        .replace(/\s*<script[^>]*>\s*<\/script>/g, "")
        .replace(/\s*<link rel="stylesheet"[^>]*>/g, "")
        .replace("</head>", `${head}</head>`);
      index.source = page;
      this.emitFile({ type: "asset", fileName: "report.html", source: readFileSync("report.html", "utf8") });
    },
  };
}

function invented(): Plugin {
  return {
    name: "invented",
    apply: "serve",
    async transformIndexHtml(html, context) {
      if (context.originalUrl?.includes("token=")) return html;
      const { inventedData } = await import("./dev/fixture.ts");
      const size = Number(/[?&]texts=(\d+)/.exec(context.originalUrl ?? "")?.[1] ?? 600);
      const data = JSON.stringify(inventedData(size)).replaceAll("<", "\\u003c");
      const element = `<script type="application/json" id="goalspace-data">${data}</script>`;
      return html.replace('<div id="app">', `${element}\n<div id="app">`);
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [pages(), invented()],
  server: { proxy: process.env.GOALSPACE_URL ? { "/api": process.env.GOALSPACE_URL } : undefined },
  build: {
    outDir: "../src/goalspace/data/web/explorer",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: true,
    rolldownOptions: {
      output: {
        format: "iife",
        entryFileNames: "app.js",
        assetFileNames: "app.[ext]",
      },
    },
  },
});

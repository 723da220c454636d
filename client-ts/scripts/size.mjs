// Bundles what an app would, minified and gzipped, and fails where it is over its bound. Run after the build.

import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const bounds = [
  // What every app loads. Where there is IndexedDB the outbox for it follows in a chunk of its own.
  { name: "core with text", code: `export { createClient } from "./dist/index.js"`, bound: 8_000 },
  {
    name: "core with the CodeMirror binding",
    code: `export { createClient } from "./dist/index.js"; export { variorum } from "./dist/codemirror.js"`,
    bound: 11_000,
  },
];

for (const { name, code, bound } of bounds) {
  const entry = "\0entry";
  const bundle = await rolldown({
    input: entry,
    external: [/^@codemirror\//],
    plugins: [{ name: "entry", resolveId: (id) => (id === entry ? id : id.startsWith("./dist/") ? new URL(`../${id}`, import.meta.url).pathname : undefined), load: (id) => (id === entry ? code : undefined) }],
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  const sizes = output.map((chunk) => ({ entry: chunk.isEntry, size: gzipSync(chunk.code, { level: 9 }).length }));
  const loaded = sizes.filter(({ entry }) => entry).reduce((sum, { size }) => sum + size, 0);
  const later = sizes.filter(({ entry }) => !entry).reduce((sum, { size }) => sum + size, 0);
  console.log(`${name}: ${loaded} bytes of at most ${bound}, and ${later} on demand`);
  if (loaded > bound) process.exitCode = 1;
}

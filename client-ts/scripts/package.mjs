// Packs the package as it would be published, and has publint and attw look at it.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "variorum-"));
const run = (command, ...parameters) => execFileSync(command, parameters, { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
try {
  const [{ filename }] = JSON.parse(run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder));
  const packed = join(folder, filename);
  process.stdout.write(run("npx", "--no-install", "publint", "run", packed, "--strict"));
  // Modules only: there is no CommonJS to resolve to, and the resolver of before exports maps knows no subpaths.
  process.stdout.write(run("npx", "--no-install", "attw", packed, "--profile", "esm-only", "--format", "ascii"));
} finally {
  rmSync(folder, { recursive: true });
}

/**
 * Keeps the app itself in the browser, so that it opens without a connection: a page that is reloaded offline comes back,
 * with what was typed into it. Documents are not its business; the client keeps those.
 */

/** Every file of this build, put here by the build. A new build is thereby a new worker. */
declare const FILES: readonly string[];

const worker = self as unknown as ServiceWorkerGlobalScope;

/** The page, which is the same for every address of the app. */
const PAGE = "/";
const CACHE = "variorum";

const keep = async (): Promise<void> => {
  const cache = await caches.open(CACHE);
  const held = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname));
  // Names change with what is in a file: what is held already is right.
  await cache.addAll([PAGE, ...FILES.filter((file) => !held.has(file))]);
};

/** Lets go of the files of earlier builds. */
const tidy = async (): Promise<void> => {
  const cache = await caches.open(CACHE);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname !== PAGE && !FILES.includes(pathname)) await cache.delete(request);
  }
};

/** The page of the server that is there, else the one kept. */
const page = async (request: Request): Promise<Response> => {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(PAGE);
    if (!kept) throw error;
    return kept;
  }
};

const file = async (request: Request): Promise<Response> => {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(CACHE)).put(request, answer.clone());
  return answer;
};

worker.addEventListener("install", (event) => event.waitUntil(keep().then(() => worker.skipWaiting())));
worker.addEventListener("activate", (event) => event.waitUntil(tidy().then(() => worker.clients.claim())));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname, origin } = new URL(request.url);
  if (request.method !== "GET" || origin !== worker.location.origin) return;
  if (request.mode === "navigate" && (pathname === PAGE || pathname.startsWith("/d/"))) event.respondWith(page(request));
  else if (pathname.startsWith("/assets/")) event.respondWith(file(request));
});

/** Has the browser keep the app itself, so that it opens without a connection. */

/** What browsers that know trusted types have, and TypeScript's library has not yet. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(): string }): { createScriptURL(of: string): unknown };
}
const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };

/** The page may load no script by a text that was put together: this is the one address there is. */
const policy = trustedTypes?.createPolicy("worker", { createScriptURL: () => "/worker.js" });

/** Without a secure page, or in a browser that keeps nothing, the app needs its server to open. */
export const keepApp = (): void => {
  void navigator.serviceWorker?.register((policy?.createScriptURL("") ?? "/worker.js") as string).catch(() => {});
};

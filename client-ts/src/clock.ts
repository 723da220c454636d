/** Time and chance, passed in so that tests drive them. */

/** A source of time. Times are milliseconds since 1970, delays milliseconds. */
export interface Clock {
  now(): number;
  /** Calls `run` after `ms`; the answer is for {@link Clock.cancel}. */
  after(ms: number, run: () => void): unknown;
  /** Takes back what {@link Clock.after} set up; undefined is nothing. */
  cancel(timer: unknown): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** How long to wait before another attempt, in milliseconds: exponential with full jitter, 0.5 to 20 s at most. */
export const backoff = (attempt: number, random: () => number): number => random() * Math.min(20_000, 500 * 2 ** attempt);

/** 128 random bits as 22 characters of base64url. */
export const randomId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .slice(0, 22);
};

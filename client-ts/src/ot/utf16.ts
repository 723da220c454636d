/**
 * Between the wire's unit and JavaScript's: the protocol counts Unicode scalar values, strings count UTF-16 code units.
 * They differ by one for each astral character (an emoji, say), which a string holds as a pair of surrogates; text
 * without any takes the fast path everywhere.
 */

const SURROGATE = /[\ud800-\udfff]/;

/** Whether the code unit at `at` is the first half of a pair. */
const isHigh = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xd800;

/** Length of well-formed `text` in scalar values. */
export const count = (text: string): number => {
  let length = text.length;
  if (SURROGATE.test(text)) {
    for (let at = text.length; at--; ) if (isHigh(text, at)) length--;
  }
  return length;
};

/** The index in `text`, in UTF-16 code units, of the place `scalars` scalar values after the index `from`. */
export const advance = (text: string, scalars: number, from = 0): number => {
  for (; scalars > 0; scalars--) from += isHigh(text, from) ? 2 : 1;
  return from;
};

/** Whether the index `at` of `text` lies inside a pair. */
export const splitsPair = (text: string, at: number): boolean => isHigh(text, at - 1) && (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** `text` with each half of a pair that stands alone replaced by U+FFFD: such halves are not text, and the server takes none. */
export const wellFormed = (text: string): string =>
  // Where the method is not known yet, \p{Cs} under the u flag matches lone halves only.
  text.toWellFormed?.() ?? text.replace(/\p{Cs}/gu, "\ufffd");

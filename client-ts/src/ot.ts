/** The algebra of text ops, for programs that work with ops themselves. */

export { apply, compose, composeTyping, invert, isIdentity, movePosition, transform, type Op, type Part } from "./ot/text.js";

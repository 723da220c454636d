/** A link within the app: followed without loading the page anew, and a link like any other in every other way. */

import type { AnchorHTMLAttributes } from "react";
import { go } from "./route.js";

export const Link = ({ href, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) => (
  <a
    {...rest}
    href={href}
    onClick={(event) => {
      if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      go(href);
    }}
  />
);

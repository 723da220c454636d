/** Sharing: the address is all it takes. */

import { useRef } from "react";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { pathOf } from "./route.js";
import { copy } from "./said.js";
import { token } from "./settings.js";

export const Share = ({ id, onClose }: { id: string; onClose: () => void }) => {
  const field = useRef<HTMLInputElement>(null);
  const address = new URL(pathOf(id), location.href).href;
  const copyAddress = () => {
    field.current?.select();
    void copy(address, "The address");
  };
  return (
    <Dialog title="Write together" onClose={onClose}>
      <p>{token.value ? "Whoever has this address, and a token of their own, can join." : "Whoever has this address can read and write here."}</p>
      <label>
        Address
        <input ref={field} readOnly value={address} onFocus={(event) => event.target.select()} />
      </label>
      <div className="actions">
        <button type="button" className="main" onClick={copyAddress}>
          <Icon of="copy" /> Copy
        </button>
        {"share" in navigator && (
          <button type="button" onClick={() => void navigator.share({ url: address, title: id }).catch(() => {})}>
            <Icon of="share" /> Send…
          </button>
        )}
      </div>
    </Dialog>
  );
};

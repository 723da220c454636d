/** Asks for a token where the server demands one. */

import { useState } from "react";
import { Dialog } from "./dialog.js";
import { signIn, signInWith } from "./session.js";
import { token } from "./settings.js";
import { useShared } from "./shared.js";

export const SignIn = () => {
  const state = useShared(signIn);
  const [text, setText] = useState("");
  if (state !== "asked") return null;
  return (
    <Dialog title="Access" onClose={() => (signIn.value = "put off")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim()) signInWith(text.trim());
        }}
      >
        <p>{token.value ? "The server does not take the token it was given, or no longer." : "This server asks for a token: whoever runs it gives you one."}</p>
        <label>
          Token
          <input type="password" value={text} autoComplete="current-password" spellCheck={false} required onChange={(event) => setText(event.target.value)} />
        </label>
        <div className="actions">
          <button type="submit" className="main">
            Go on
          </button>
          <button type="button" onClick={() => (signIn.value = "put off")}>
            Not now
          </button>
        </div>
      </form>
    </Dialog>
  );
};

/** The whole page: the list or a document, and what is said over either. */

import { DocumentPage } from "./document.js";
import { Home } from "./home.js";
import { useRoute } from "./route.js";
import { said } from "./said.js";
import { useShared } from "./shared.js";
import { SignIn } from "./signin.js";

export const App = () => {
  const route = useRoute();
  const { text, shown } = useShared(said);
  return (
    <>
      {route.page === "home" ? <Home /> : <DocumentPage key={route.visit} id={route.id} create={route.create} />}
      <SignIn />
      <div className={shown ? "said" : "unseen"} role="status">
        {text}
      </div>
    </>
  );
};

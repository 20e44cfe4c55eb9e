/** Asks for a token where a node wants one. It stays in this tab, and goes to nodes of that region alone. */

import { byId, el, refill } from "./dom.js";
import { visible } from "./format.js";

/** @import { Connection, Refusal } from "./connection.js" */

/** @param {Connection} connection */
export function startTokenDialog(connection) {
  const button = byId("token-button");
  const input = el("input", {
    type: "password",
    id: "token",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    maxlength: 1_024,
  });
  const reason = el("p", { id: "token-reason" });
  const forget = el("button", { type: "button", class: "quiet" }, "Forget tokens");
  let region = "";
  const dialog = el(
    "dialog",
    { class: "card", "aria-labelledby": "token-title", "aria-describedby": "token-reason" },
    el(
      "form",
      {
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          const token = input.value.trim();
          input.value = "";
          dialog.close();
          connection.setToken(region, token);
        },
      },
      el("h2", { id: "token-title" }, "This node asks for a token"),
      reason,
      el("label", { for: "token" }, "Token"),
      input,
      el(
        "p",
        { class: "hint" },
        "An operator makes one with the role reader: atoll tokens create --role reader. It is kept in this tab until it is closed.",
      ),
      el("div", { class: "dialog-buttons" }, forget, el("button", { type: "submit", class: "primary" }, "Use it")),
    ),
  );
  document.body.append(dialog);
  forget.addEventListener("click", () => {
    dialog.close();
    connection.forgetTokens();
  });
  const open = (/** @type {string} */ why) => {
    refill(reason, why);
    forget.hidden = !connection.hasTokens;
    if (!dialog.open) dialog.showModal();
    input.focus();
  };
  button.addEventListener("click", () => {
    // Nobody was refused since the page was loaded, where the token was kept in this tab.
    region = connection.regionOf(connection.origin) ?? region;
    open("The token in use is replaced by what you enter.");
  });
  connection.addEventListener("unauthorized", (event) => {
    const refusal = /** @type {CustomEvent<Refusal>} */ (event).detail;
    region = refusal.region;
    button.hidden = false;
    open(visible(refusal.message));
  });
  connection.addEventListener("state", () => {
    button.hidden = !connection.hasTokens && connection.state !== "unauthorized";
  });
}

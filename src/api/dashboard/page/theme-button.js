/** The button that goes from the system's theme to light, to dark, and back. The choice is this browser's. */

const KEY = "atoll.theme";
const THEMES = /** @type {const} */ (["system", "light", "dark"]);

/** @param {HTMLElement} button */
export function startThemeButton(button) {
  let chosen = THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "system";
  const show = () => {
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    button.textContent = `Theme: ${chosen}`;
  };
  button.addEventListener("click", () => {
    chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length] ?? "system";
    localStorage.setItem(KEY, chosen);
    show();
  });
  show();
}

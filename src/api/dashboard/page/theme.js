/** Runs before the first paint, so that a chosen theme does not flash the other one. `theme-button.js` does the choosing. */
{
  const chosen = localStorage.getItem("atoll.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}

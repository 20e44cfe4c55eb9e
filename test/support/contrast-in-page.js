/** What `contrast.ts` has the page reckon: an expression, and not a module, since it is evaluated as it stands. */

(() => {
  const AA = 4.5;
  const AA_LARGE = 3;
  const parse = (text) => {
    const [red = 0, green = 0, blue = 0, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
    return [red, green, blue, alpha];
  };
  const luminance = ([red, green, blue]) => {
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element) => {
    if (element === null) return [255, 255, 255, 1];
    const ground = parse(getComputedStyle(element).backgroundColor);
    return ground[3] === 1 ? ground : groundOf(element.parentElement);
  };
  const problems = [];
  for (const element of document.querySelectorAll("body *:not(svg *, option, :disabled)")) {
    const ownText = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE);
    const text = ownText.map((node) => node.textContent?.trim()).join("");
    const style = getComputedStyle(element);
    if (text === "" || style.visibility === "hidden" || element.getClientRects().length === 0) continue;
    const [ink, ground] = [luminance(parse(style.color)), luminance(groundOf(element))];
    const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    const isLarge = Number.parseFloat(style.fontSize) >= 24;
    if (ratio < (isLarge ? AA_LARGE : AA)) problems.push(`${text}: ${ratio.toFixed(2)}, ${style.color}`);
  }
  return problems;
})();

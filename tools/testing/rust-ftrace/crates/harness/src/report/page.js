// SPDX-License-Identifier: GPL-2.0
//
// What a reader of the page has before them, unfolded. An expression: its value is the answer.

(() => {
  document.querySelectorAll("details").forEach((d) => { d.open = true; });

  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  // WCAG 2.2, "relative luminance" and "contrast ratio".
  const luminance = (color) => {
    const [r, g, b] = channels(color).slice(0, 3).map((c) => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opaque = (color) => {
    const alpha = channels(color)[3];
    return alpha === undefined || alpha > 0;
  };
  const background = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (opaque(color)) {
        return color;
      }
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (element) => {
    const [dark, light] = [getComputedStyle(element).color, background(element)]
      .map(luminance).sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };

  const label = (e) => `<${e.tagName.toLowerCase()}> ${e.textContent.trim().slice(0, 40)}`;
  const texts = [...document.body.querySelectorAll("*")].filter((e) =>
    e.getClientRects().length > 0 &&
    [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim()));
  const faint = texts.map((e) => [contrast(e), e]).sort((a, b) => a[0] - b[0]);
  const width = document.documentElement.clientWidth;
  const tables = [...document.querySelectorAll("table")];
  return {
    rows: document.querySelectorAll("tr[data-test]").length,
    tables: tables.length,
    unnamed: tables.filter((t) => !t.caption).length
      + document.querySelectorAll("th:not([scope])").length,
    width,
    wide: document.documentElement.scrollWidth > width
      ? [...document.body.querySelectorAll("*")]
        .filter((e) => e.getBoundingClientRect().right > width + 0.5).map(label).slice(-3)
      : [],
    scroll_width: document.documentElement.scrollWidth,
    background: luminance(background(document.body)),
    contrast: faint.length ? faint[0][0] : 0,
    faintest: faint.length ? label(faint[0][1]) : "no text",
  };
})()

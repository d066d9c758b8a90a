/* What the looks tests measure on the page. */
window.measure = {
  /* Elements that stick out sideways. */
  overflow() {
    return [...document.querySelectorAll("#app *, dialog[open] *")].filter((e) => {
      const r = e.getBoundingClientRect();
      return r.width && (r.right > innerWidth + 1 || r.left < -1) && !e.closest(".tablewrap, .sr, .skip");
    }).map((e) => e.className || e.id || e.tagName);
  },

  /* Texts below the contrast of WCAG AA, as [ratio, element, text]. */
  contrast() {
    const channel = (v) => (v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
    const light = (c) => [.2126, .7152, .0722].reduce((sum, weight, i) => sum + weight * channel(c[i]), 0);
    const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number);
    const over = (top, under) => [0, 1, 2].map((i) => top[i] * (top[3] ?? 1) + under[i] * (1 - (top[3] ?? 1)));
    const ground = (e) => {
      const stack = [];
      for (let n = e; n; n = n.parentElement) stack.push(parse(getComputedStyle(n).backgroundColor));
      return stack.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    };
    const poor = [];
    document.querySelectorAll("body *").forEach((e) => {
      if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) return;
      if (e.closest("script, noscript, .sr, .skip, :disabled") || !e.getClientRects().length) return;
      const style = getComputedStyle(e);
      const back = ground(e);
      const [a, b] = [light(over(parse(style.color), back)), light(back)].sort((x, y) => y - x);
      const ratio = (a + .05) / (b + .05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (large ? 3 : 4.5)) poor.push([ratio.toFixed(2), e.className || e.tagName, e.textContent.slice(0, 20)]);
    });
    return poor;
  },

  /* The page's own words that stayed Chinese although the language is English. */
  chinese() {
    const foreign = "[lang=zh-CN], .asked, .chips, .groups, .products";
    return [...document.querySelectorAll("body *:not(script, noscript, noscript *)")].filter((e) => !e.closest(foreign)
      && [...e.childNodes].some((n) => n.nodeType === 3 && /[\u4e00-\u9fff]/.test(n.textContent))).map((e) => e.textContent);
  },
};

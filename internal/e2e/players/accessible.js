// What keeps people from using the page that is shown: an expression that gives a list of complaints. It looks at what a
// computed style and the tree tell: names, headings, the contrast of texts (WCAG 2.2, 1.4.3), widths and sizes of targets.
(() => {
  const wrong = [];
  const what = (e) => `<${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ''}${e.className ? `.${e.className}` : ''}> ${(e.textContent ?? '').trim().slice(0, 40)}`;
  const seen = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && e.getBoundingClientRect().width > 1;
  const named = (e) => e.getAttribute('aria-label') || e.labels?.length || (e.textContent ?? '').trim() || [...e.querySelectorAll('img[alt]')].some((i) => i.alt);
  const top = document.querySelector('dialog[open]') ?? document;
  for (const e of top.querySelectorAll('a[href], button, input, select, textarea, summary, video, [role=region]')) {
    if (!seen(e)) continue;
    if (!named(e)) wrong.push(`no name: ${what(e)}`);
    const box = (e.closest('label') ?? e).getBoundingClientRect();
    if (e.matches('button, input, select, .button') && (box.height < 24 || box.width < 24)) wrong.push(`a target of ${box.width}×${box.height}: ${what(e)}`);
  }
  for (const e of document.querySelectorAll('img:not([alt]), svg[role=img]:not([aria-label])')) wrong.push(`no alternative: ${what(e)}`);
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) wrong.push(`id ${id} twice`);
  for (const e of document.querySelectorAll('[for], [aria-describedby], [aria-labelledby]')) {
    for (const id of [e.getAttribute('for'), e.getAttribute('aria-describedby'), e.getAttribute('aria-labelledby')]) if (id && !document.getElementById(id)) wrong.push(`refers to nothing (${id}): ${what(e)}`);
  }
  if ([...document.querySelectorAll('h1')].filter(seen).length !== 1) wrong.push('not one h1');
  if (document.documentElement.lang === '' || document.title === '') wrong.push('no language or title');
  if (document.documentElement.scrollWidth > innerWidth) wrong.push(`wider than the window: ${document.documentElement.scrollWidth} of ${innerWidth}`);

  const parse = (c) => {
    const n = c.match(/[\d.]+/g).map(Number);
    const [r, g, b] = c.startsWith('color(') ? n.slice(0, 3).map((x) => x * 255) : n;
    return { r, g, b, a: n[3] ?? 1 };
  };
  const over = (top, under) => ({ a: 1, ...Object.fromEntries(['r', 'g', 'b'].map((k) => [k, top[k] * top.a + under[k] * (1 - top.a)])) });
  const ground = (e) => {
    const own = e ? parse(getComputedStyle(e).backgroundColor) : { r: 255, g: 255, b: 255, a: 1 };
    return own.a === 1 ? own : over(own, ground(e.parentElement));
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const texts = document.createTreeWalker(top === document ? document.body : top, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !seen(e) || e.matches('option, script, noscript') || e.closest('[aria-busy]')) continue;
    const style = getComputedStyle(e);
    const under = ground(e);
    const [a, b] = [light(over(parse(style.color), under)), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const need = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < need) wrong.push(`contrast ${ratio.toFixed(2)}: ${what(e)}`);
  }
  return [...new Set(wrong)];
})()

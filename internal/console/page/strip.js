// The storyboard of a recording as a strip of pictures above its timeline (docs/recordings.md).

import { h } from './dom.js';

const svg = 'http://www.w3.org/2000/svg';
const tiles = 10;

// cues reads a storyboard: WebVTT with the rectangle of a sheet per cue.
function cues(text) {
  const seconds = (t) => t.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return text.split(/\r?\n\r?\n/).flatMap((block) => {
    const m = /([\d:.]+) --> ([\d:.]+)[^\n]*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/.exec(block);
    return m ? [{ start: seconds(m[1]), end: seconds(m[2]), sheet: m[3], box: m.slice(4, 8).join(' ') }] : [];
  });
}

function tile(base, cue) {
  const view = document.createElementNS(svg, 'svg');
  view.setAttribute('viewBox', cue.box);
  view.setAttribute('preserveAspectRatio', 'xMidYMid slice');
  const image = document.createElementNS(svg, 'image');
  image.setAttribute('href', new URL(cue.sheet, new URL(base, location.href)).pathname);
  view.append(image);
  return view;
}

// strip is empty until there is a storyboard; the server makes it when it is first asked for.
export function strip(url, signal, seek) {
  const element = h('div', { class: 'strip', 'aria-hidden': 'true', hidden: true, onclick: (event) => {
    const box = element.getBoundingClientRect();
    seek((event.clientX - box.left) / box.width);
  } });
  (async () => {
    for (let tries = 0; tries < 6 && !signal.aborted; tries++) {
      const response = await fetch(url, { signal });
      if (response.status === 503) {
        await new Promise((resolve) => { setTimeout(resolve, 1000 * (Number(response.headers.get('Retry-After')) || 2)); });
        continue;
      }
      if (!response.ok) return; // there is none, which is all right
      const all = cues(await response.text());
      if (all.length === 0) return;
      const length = all.at(-1).end;
      element.append(...Array.from({ length: tiles }, (_, i) => {
        const at = ((i + 0.5) / tiles) * length;
        return tile(url, all.find((c) => c.end > at) ?? all.at(-1));
      }));
      element.hidden = false;
      return;
    }
  })().catch(() => {});
  return element;
}

// QR codes as inline SVG.

import { generate } from './lean-qr.mjs';

const svg = 'http://www.w3.org/2000/svg';
const quiet = 4; // modules around it, as ISO 18004 wants

export function qr(text, label) {
  const code = generate(text);
  let path = '';
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      if (code.get(x, y)) path += `M${x} ${y}h1v1h-1z`;
    }
  }
  const image = document.createElementNS(svg, 'svg');
  const side = code.size + 2 * quiet;
  for (const [name, value] of Object.entries({ viewBox: `${-quiet} ${-quiet} ${side} ${side}`, role: 'img', 'aria-label': label, class: 'qr', 'shape-rendering': 'crispEdges' })) {
    image.setAttribute(name, value);
  }
  const shape = (name, attributes) => {
    const element = document.createElementNS(svg, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    image.append(element);
  };
  // Dark on light in either colour scheme: many readers take nothing else.
  shape('rect', { x: -quiet, y: -quiet, width: side, height: side, fill: '#fff' });
  shape('path', { d: path, fill: '#000' });
  return image;
}

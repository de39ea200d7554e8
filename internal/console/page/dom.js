// Elements, and the few things that every page makes of them. Text is always set as text.

// h makes an element: h('a', { class: 'x', href: '#', onclick: f }, 'text', other). Absent children are left out.
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name === 'labelledby' ? 'aria-labelledby' : name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return element;
}

let ids = 0;
export const newID = (what) => `${what}-${++ids}`;

// set changes a text only when it differs, so that live regions stay quiet.
export function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

// keyed brings the children of a list in line with items, reusing those that stay: focus and players survive. Of items with the
// same key the first counts.
export function keyed(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((c) => [c.dataset.key, c]));
  const seen = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    if (seen.has(k)) continue;
    seen.add(k);
    let element = old.get(k);
    if (!element) {
      element = make(item);
      element.dataset.key = k;
    }
    old.delete(k);
    update?.(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const gone of old.values()) {
    gone.dispatchEvent(new Event('gone'));
    gone.remove();
  }
}

let hush;
// say tells something in passing, aloud too.
export function say(text, bad = false) {
  const toast = document.getElementById('toast');
  toast.classList.toggle('bad', bad);
  toast.textContent = text;
  clearTimeout(hush);
  hush = setTimeout(() => { toast.textContent = ''; }, bad ? 10000 : 4000);
}

// complain says what went wrong and what to do about it.
export function complain(error) {
  if (error?.name === 'AbortError' || error?.status === 401) return;
  say(error?.hint ? `${error.message} ${error.hint}` : (error?.message ?? String(error)), true);
}

// button makes a button whose work may take a while: it cannot be pressed twice, and what fails is said.
export function button(label, work, props = {}) {
  const element = h('button', { type: 'button', ...props }, label);
  element.addEventListener('click', async () => {
    if (element.getAttribute('aria-busy')) return;
    element.setAttribute('aria-busy', 'true');
    try {
      await work();
    } catch (error) {
      complain(error);
    } finally {
      element.removeAttribute('aria-busy');
    }
  });
  return element;
}

export const badge = (kind, text) => h('span', { class: `badge ${kind}` }, text);

// field is a labelled control with a hint.
export function field(label, control, hint) {
  control.id ||= newID('field');
  const about = hint && h('p', { class: 'hint', id: `${control.id}-hint` }, hint);
  if (about) control.setAttribute('aria-describedby', about.id);
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control, about);
}

export const check = (label, input) => h('label', { class: 'check' }, input, h('span', {}, label));

// dialog opens a modal form; submit gets its FormData and closes it by returning, what it throws is shown in it.
export function dialog(title, verb, body, submit, props = {}) {
  const id = newID('dialog');
  const wrong = h('p', { class: 'wrong', role: 'alert' });
  const ok = h('button', { class: props.danger ? 'danger' : 'primary' }, verb);
  const cancel = h('button', { type: 'button', class: 'quiet', onclick: () => box.close() }, submit ? 'Cancel' : 'Close');
  const form = h('form', { novalidate: false }, h('h2', { id }, title), ...[body].flat(), wrong,
    h('div', { class: 'actions' }, cancel, submit && ok));
  const box = h('dialog', { labelledby: id }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (ok.getAttribute('aria-busy')) return;
    ok.setAttribute('aria-busy', 'true');
    wrong.textContent = '';
    try {
      await submit(new FormData(form));
      box.close();
    } catch (error) {
      if (error?.status === 401) box.close();
      wrong.textContent = error?.hint ? `${error.message} ${error.hint}` : (error?.message ?? String(error));
    } finally {
      ok.removeAttribute('aria-busy');
    }
  });
  const back = document.activeElement;
  box.addEventListener('close', () => {
    box.remove();
    back?.focus?.();
  });
  document.body.append(box);
  box.showModal();
  (form.querySelector('input, select') ?? (submit ? ok : cancel)).focus();
  return box;
}

// sure asks before something is lost.
export function sure(title, text, verb, work) {
  return dialog(title, verb, h('p', {}, text), work, { danger: true });
}

// copy puts text on the clipboard; navigator.clipboard is there over TLS and on loopback only.
async function copy(text, input) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  input.focus();
  input.select();
  if (!document.execCommand('copy')) throw new Error('The browser does not let this page copy. It is selected: press Ctrl+C.');
}

// copyable shows a text to take away; a secret one is hidden until asked for.
export function copyable(label, text, { secret = false, more = [] } = {}) {
  const input = h('input', { id: newID('copy'), type: secret ? 'password' : 'text', readonly: true, value: text, spellcheck: 'false', autocomplete: 'off', onfocus: () => input.select() });
  const show = secret && h('button', { type: 'button', class: 'quiet', 'aria-pressed': 'false', 'aria-label': `Show ${label}`, onclick: () => {
    const hidden = input.type === 'password';
    input.type = hidden ? 'text' : 'password';
    show.setAttribute('aria-pressed', String(hidden));
    set(show, hidden ? 'Hide' : 'Show');
  } }, 'Show');
  return h('div', { class: 'copyable' }, h('label', { for: input.id }, label),
    h('div', { class: 'line' }, input, show, button('Copy', async () => {
      await copy(input.value, input);
      say(`${label} copied.`);
    }, { 'aria-label': `Copy ${label}` }), ...more));
}

// empty is what a page says when there is nothing.
export const empty = (title, text, ...actions) => h('div', { class: 'empty' }, h('h2', {}, title), h('p', {}, text), h('p', { class: 'actions' }, ...actions));

// head is the top of a page: its title, a state beside it, and what can be done.
export const head = (title, actions, state) => h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, title), state, actions && h('div', { class: 'actions' }, actions));

const stamp = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const when = (iso) => (iso ? h('time', { datetime: iso }, stamp.format(new Date(iso))) : '–');
export const clock = (date) => clockTime.format(date);
const shortDay = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });
// day says which day it was, unless it is today.
export const day = (date) => (date.toDateString() === new Date().toDateString() ? '' : `${shortDay.format(date)}, `);

// span says seconds as a person would: 1:05, 2:03:04.
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  return hours ? `${hours}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

// period says an ISO 8601 duration: "PT1H30M" is 1 h 30 min.
export function period(iso) {
  const m = /^P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$/.exec(iso ?? '');
  if (!m) return iso ?? '–';
  return [[m[1], 'd'], [m[2], 'h'], [m[3], 'min'], [m[4], 's']].filter(([n]) => Number(n)).map(([n, unit]) => `${n} ${unit}`).join(' ') || '0 s';
}

export const rate = (bits) => (bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1000)} kbit/s`);

// The frame: who is signed in, which page is shown.

import * as api from './api.js';
import { h, button, complain, set } from './dom.js';
import { eventsPage } from './events.js';
import { eventPage } from './event.js';
import { assetsPage } from './assets.js';
import { assetPage } from './asset.js';
import { locatorsPage } from './locators.js';
import { endpointsPage } from './endpoints.js';
import { logPage } from './log.js';

const main = document.getElementById('main');
const bar = document.getElementById('bar');

// Pages by the part of the address behind '#'. A page gets the element to fill, the names in its address and a signal that ends
// with it.
const pages = [
  [/^\/events$/, eventsPage], [/^\/events\/([^/]+)$/, eventPage],
  [/^\/assets$/, assetsPage], [/^\/assets\/([^/]+)$/, assetPage],
  [/^\/locators$/, locatorsPage], [/^\/endpoints$/, endpointsPage], [/^\/log$/, logPage],
];

let life = new AbortController();
let signedIn = false;
let first = true; // the first page after a load takes no focus away

function show() {
  life.abort();
  life = new AbortController();
  for (const box of document.querySelectorAll('dialog')) box.close();
  bar.hidden = !signedIn;
  if (!signedIn) return login();
  const path = location.hash.slice(1) || '/events';
  const [, page, names] = pages.map(([pattern, page]) => [0, page, pattern.exec(path)]).find(([, , m]) => m) ?? [0, missing, []];
  for (const link of bar.querySelectorAll('nav a')) {
    const here = path === link.hash.slice(1) || path.startsWith(`${link.hash.slice(1)}/`);
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const place = h('div', { class: 'page' });
  main.replaceChildren(place);
  const { signal } = life;
  Promise.resolve(page(place, names.slice(1).map(decodeURIComponent), signal)).catch((error) => {
    if (signal.aborted || error.status === 401) return;
    if (error.status === 404) place.replaceChildren(...gone());
    else complain(error);
  });
  const title = place.querySelector('h1');
  document.title = `${title?.textContent ?? 'Headwater'} · Headwater`;
  if (!first) {
    (title ?? main).focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  first = false;
}

const gone = () => [h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Not there')), h('p', {}, 'This does not exist, or not any more. ', h('a', { href: '#/events' }, 'Go to the events'))];
const missing = (place) => place.append(...gone());

function login() {
  document.title = 'Sign in · Headwater';
  const token = h('input', { id: 'token', name: 'token', type: 'password', autocomplete: 'current-password', spellcheck: 'false', required: true, 'aria-describedby': 'token-hint' });
  const wrong = h('p', { class: 'wrong', role: 'alert' });
  const form = h('form', { class: 'login' },
    h('h1', {}, h('img', { src: 'icon.svg', alt: '', width: 32, height: 32 }), ' Headwater'),
    h('div', { class: 'field' }, h('label', { for: 'token' }, 'Access token'), token,
      h('p', { class: 'hint', id: 'token-hint' }, 'It is in ', h('code', {}, 'control.token'), ' in the server’s data directory, or made by ', h('code', {}, 'headwater token create'), '.')),
    // For password managers, which want a name with every password.
    h('input', { type: 'text', name: 'username', autocomplete: 'username', value: 'headwater', hidden: true }),
    wrong, h('button', { class: 'primary wide' }, 'Sign in'));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    wrong.textContent = '';
    try {
      enter(await api.signIn(token.value));
    } catch (error) {
      wrong.textContent = error.message;
      token.select();
    }
  });
  main.replaceChildren(form);
  token.focus();
}

function enter(who) {
  signedIn = true;
  first = false;
  set(document.getElementById('who'), `${who.name}${who.roles.includes('admin') ? '' : ` (${who.roles.join(', ')})`}`);
  show();
}

function leave(why = '') {
  if (!signedIn) return;
  signedIn = false;
  show();
  set(main.querySelector('.wrong'), why);
}

document.getElementById('sign-out').replaceWith(button('Sign out', async () => {
  await api.signOut();
  leave();
}, { id: 'sign-out', class: 'quiet' }));
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault(); // the address is that of the page shown
  main.focus();
});
api.events.addEventListener('signed-out', () => leave('Your session has ended.'));
api.events.addEventListener('reached', (event) => { document.getElementById('offline').hidden = event.detail; });
api.events.addEventListener('failed', (event) => { if (document.getElementById('offline').hidden) complain(event.detail); });
addEventListener('hashchange', show);

const who = await api.whoami().catch(() => null);
if (who) enter(who);
else show();

// What to play: the src parameter, read strictly. Only a path of this origin is ever requested.

const hlsFormat = /format=m3u8(-cmaf|-aapl)?/i;
const dashFormat = /format=mpd-time-(cmaf|csf)/i;

// parseSource returns {hls, dash, prefers}: the path of each manifest ('' when unknown) and which of them was named.
// It returns null for anything that is not a path of this origin.
export function parseSource(text, origin) {
  let given = String(text ?? '').trim();
  if (given.startsWith(origin + '/')) given = given.slice(origin.length);
  if (!/^\/[^/\\]/.test(given) || /[\\\u0000-\u0020\u007f]/.test(given)) return null;
  let url;
  try {
    url = new URL(given, origin);
  } catch {
    return null;
  }
  if (url.origin !== origin || url.hash) return null;
  const path = url.pathname;
  const at = (p) => p + url.search;

  const home = path.match(/^(.*\.ism\/)([^/]*)$/);
  if (home) {
    const [, base, name] = home;
    if (name === 'master.m3u8' || name === 'manifest.mpd' || name === '' || name === 'manifest') {
      return { hls: at(base + 'master.m3u8'), dash: at(base + 'manifest.mpd'), prefers: name === 'manifest.mpd' ? 'dash' : 'hls' };
    }
    // The long form may carry filters, which the other manifest gets too; the suffix is optional, so it is left off.
    if (hlsFormat.test(name)) {
      return { hls: at(path), dash: at(base + name.replace(hlsFormat, 'format=mpd-time-cmaf').replace(/\.m3u8$/, '')), prefers: 'hls' };
    }
    if (dashFormat.test(name)) {
      return { hls: at(base + name.replace(dashFormat, 'format=m3u8-cmaf').replace(/\.mpd$/, '')), dash: at(path), prefers: 'dash' };
    }
  }
  if (path.endsWith('.m3u8')) return { hls: at(path), dash: '', prefers: 'hls' };
  if (path.endsWith('.mpd')) return { hls: '', dash: at(path), prefers: 'dash' };
  return null;
}

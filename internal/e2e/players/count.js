// Counts what a viewer of the numbered clip gets (play_test.go) into stats: what of the media did not get into the
// browser's buffers, how long the picture stood still, and which frame was shown for which moment.

const bits = 10;
const side = 32; // of a square that is one bit, in pixels of the clip

// number reads what is drawn into the picture.
function number(video, canvas) {
  canvas.drawImage(video, 0, 0, bits * side, 1, 0, 0, bits * side, 1);
  const { data } = canvas.getImageData(0, 0, bits * side, 1);
  let n = 0;
  for (let k = 0; k < bits; k++) if (data[4 * (k * side + side / 2)] > 127) n += 2 ** k;
  return n;
}

export function count(video, stats) {
  Object.assign(stats, { appends: 0, appendErrors: 0, appendsLost: 0, still: 0, starved: 0, picture: null });
  watchAppends(stats);
  watchTimer(stats);
  const canvas = Object.assign(document.createElement('canvas'), { width: bits * side, height: 1 }).getContext('2d', { willReadFrequently: true });
  let last = 0; // when the picture before was shown
  let shown = 0;
  video.width = 320; // its own size: scaling costs
  video.height = 180;
  video.addEventListener('seeking', () => { last = 0; });
  const see = (now, frame) => {
    video.requestVideoFrameCallback(see);
    if (last > 0 && now - last > 500) stats.still += (now - last) / 1000;
    last = now;
    if (++shown % 5 > 0) return; // looking costs
    const date = globalThis.player?.date();
    if (!date || video.seeking) return;
    stats.picture = { number: number(video, canvas), date: date + (frame.mediaTime - video.currentTime) * 1000, seeks: stats.seeks };
  };
  video.requestVideoFrameCallback(see);
}

// watchAppends sees every append of media: did it fail, and did it leave the buffer as long as it was?
function watchAppends(stats) {
  const append = SourceBuffer.prototype.appendBuffer;
  const known = new WeakSet();
  const length = (buffer) => {
    let sum = 0;
    try {
      for (let i = 0; i < buffer.buffered.length; i++) sum += buffer.buffered.end(i) - buffer.buffered.start(i);
    } catch {
      // The buffer was taken out meanwhile.
    }
    return sum;
  };
  SourceBuffer.prototype.appendBuffer = function (data) {
    const before = length(this);
    const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, Math.min(64, data.byteLength));
    if (!String.fromCharCode(...bytes).includes('ftyp')) {
      stats.appends++;
      this.addEventListener('updateend', () => { if (length(this) <= before) stats.appendsLost++; }, { once: true });
    }
    if (!known.has(this)) this.addEventListener('error', () => { stats.appendErrors++; });
    known.add(this);
    try {
      return append.call(this, data);
    } catch (error) {
      stats.appendErrors++;
      throw error;
    }
  };
}

// watchTimer sees how long the page itself got no processor: what stood still then was not for want of media.
function watchTimer(stats) {
  let due = performance.now() + 100;
  setInterval(() => {
    const now = performance.now();
    if (now - due > 300) stats.starved += (now - due) / 1000;
    due = now + 100;
  }, 100);
}

package node

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
	"headwater.stream/packager/dash"
	"headwater.stream/packager/hls"
)

// asset is one asset: being recorded, or replayed from its directory, which is opened when the first viewer asks.
type asset struct {
	store archive.Store
	log   *slog.Logger
	spec  atomic.Pointer[control.AssetSpec]
	known *filteredChannels

	shown atomic.Pointer[shown] // what viewers get; nil until it is known
	used  atomic.Int64          // when it was asked for last, Unix seconds

	mu     sync.Mutex
	output *output        // that records it, nil when none does
	gone   bool           // deleted while the end of its recording was written
	replay *archive.Asset // that is open, nil when none is
}

// errNoMedia says that an asset has nothing to play.
var errNoMedia = errors.New("the asset has no recording yet")

// open returns what viewers of the asset get.
func (a *asset) open(now time.Time) (*shown, error) {
	a.used.Store(now.Unix())
	if c := a.shown.Load(); c != nil {
		return c, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.shown.Load(); c != nil {
		return c, nil
	}
	if a.output != nil {
		return nil, errNoMedia // its event has not come up
	}
	return a.openReplay(nil)
}

// openReplay opens the directory; after is what viewers have had so far, nil if nothing. a.mu is held.
func (a *asset) openReplay(after *shown) (*shown, error) {
	dir, err := a.store.Open(a.spec.Load().Container)
	if err != nil {
		return nil, err
	}
	r, err := archive.OpenAsset(dir, manifests)
	if err != nil {
		err = errors.Join(err, dir.Close())
		if errors.Is(err, archive.ErrEmpty) {
			return nil, errNoMedia
		}
		return nil, err
	}
	r.OnDamage(func(err error) { a.log.Error("damage; see 'headwater asset check'", "err", err) })
	a.replay = r
	c := show(r, 0, after, a.known)
	a.shown.Store(c)
	return c, nil
}

// unfinished reports whether the asset has a recording that was begun and has not ended, and nobody makes.
func (a *asset) unfinished() (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.output != nil || a.replay != nil {
		return false, nil
	}
	dir, err := a.store.Open(a.spec.Load().Container)
	if err != nil {
		return false, err
	}
	_, begun, err := dir.Load()
	return begun && !dir.Info().Ended, errors.Join(err, dir.Close())
}

// idle is how long a replay stays open without being asked for: it costs a descriptor and 48 bytes per segment.
const idle = 10 * time.Minute

// rest lets go of a replay that nobody has asked for lately; the next viewer opens it again.
func (a *asset) rest(now time.Time) {
	if now.Sub(time.Unix(a.used.Load(), 0)) < idle {
		return
	}
	if err := a.close(); err != nil {
		a.log.Error("closing an idle replay", "err", err)
	}
}

// abandon stops a recording whose end the disk has not taken yet: the asset is deleted.
func (a *asset) abandon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.output != nil {
		a.gone = true
		a.output.cancel()
	}
}

// close lets go of the directory of a replay.
func (a *asset) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.replay == nil {
		return nil
	}
	a.shown.Store(nil)
	err := a.replay.Close()
	a.replay = nil
	return err
}

// manifests makes the files that let an ended asset play from any file server.
func manifests(v *media.View) (map[string][]byte, error) {
	files := map[string][]byte{media.MultivariantName: hls.Multivariant(v, false)}
	mpd, err := dash.MPD(v)
	if err != nil {
		return nil, err
	}
	files[media.MPDName] = mpd
	for i := range v.Renditions {
		name := v.Renditions[i].Name
		full, _ := hls.NewPlaylist(name).Render(v)
		files[v.MediaPlaylist(name)] = slices.Concat(full...)
		if full, _ := hls.NewIFramePlaylist(name).Render(v); full != nil {
			files[v.IFramePlaylist(name)] = slices.Concat(full...)
		}
	}
	return files, nil
}

// AssetTracks implements control.Runtime.
func (r *runtime) AssetTracks(id string) ([]control.RecordedTrack, error) {
	a := r.routes.Load().assets[id]
	if a == nil || a.spec.Load().ManifestName == "" {
		return nil, nil
	}
	c, err := a.open(r.clock.now())
	if errors.Is(err, errNoMedia) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []control.RecordedTrack
	for _, x := range c.presentation.View().Renditions {
		t := control.RecordedTrack{Name: x.Name, Kind: x.Kind.String(), Bitrate: x.AverageBandwidth}
		if n := len(x.Inits); n > 0 {
			now := x.Inits[n-1].Track
			t.Codec, t.Language = now.Codec, now.Language
			if now.Bitrate > 0 {
				t.Bitrate = now.Bitrate
			}
		}
		list = append(list, t)
	}
	return list, nil
}

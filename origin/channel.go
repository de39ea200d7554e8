package origin

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/packager/dash"
	"headwater.stream/packager/hls"
)

// Channel is a Presentation with its rendered manifests, each made once for all who ask.
type Channel struct {
	p            Presentation
	multivariant manifest
	trick        manifest // the multivariant playlist that names I-frame playlists
	mpd          manifest
	trickMPD     manifest     // the MPD with the key frames
	writer       *dash.Writer // guarded by mpd.mu
	trickWriter  *dash.Writer // guarded by trickMPD.mu
	mu           sync.Mutex   // guards adding to playlists
	playlists    atomic.Pointer[map[playlistKey]*manifest]
	followed     map[playlistKey]*hls.Playlist // of the Channel before; never written
}

// ChannelOptions says more about a Channel; the zero value will do.
type ChannelOptions struct {
	// After is the Channel whose URLs this one takes over, for example that of the output whose recording this one replays.
	// What players of a live presentation rely on then stays: the timeline of the MPD, which in a recording would start at
	// 0, and PART-TARGET.
	After *Channel
}

// NewChannel returns the Channel of a presentation.
func NewChannel(p Presentation, o ChannelOptions) *Channel {
	c := &Channel{p: p, writer: dash.NewWriter(), trickWriter: dash.NewTrickWriter(), followed: map[playlistKey]*hls.Playlist{}}
	if o.After != nil {
		o.After.handOver(c)
	}
	c.playlists.Store(&map[playlistKey]*manifest{})
	c.multivariant.render = whole(func(v *media.View) ([]byte, error) { return hls.Multivariant(v, false), nil })
	c.trick.render = whole(func(v *media.View) ([]byte, error) { return hls.Multivariant(v, true), nil })
	c.mpd.render = whole(c.writer.Render)
	c.trickMPD.render = whole(c.trickWriter.Render)
	return c
}

// handOver gives the next Channel what must not change with it.
func (c *Channel) handOver(next *Channel) {
	c.mpd.mu.Lock()
	next.writer = c.writer.Clone()
	c.mpd.mu.Unlock()
	c.trickMPD.mu.Lock()
	next.trickWriter = c.trickWriter.Clone()
	c.trickMPD.mu.Unlock()
	for key, m := range *c.playlists.Load() {
		m.mu.Lock()
		next.followed[key] = m.playlist.Clone()
		m.mu.Unlock()
	}
}

// playlistKey names a playlist of a Channel.
type playlistKey struct {
	rendition string
	iframes   bool // its I-frame playlist, not its media playlist
}

// playlist returns a playlist of a rendition that the presentation has.
func (c *Channel) playlist(key playlistKey) *manifest {
	if m := (*c.playlists.Load())[key]; m != nil {
		return m
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.playlists.Load()
	if m := old[key]; m != nil {
		return m
	}
	p := c.followed[key]
	switch {
	case p != nil:
	case key.iframes:
		p = hls.NewIFramePlaylist(key.rendition)
	default:
		p = hls.NewPlaylist(key.rendition)
	}
	m := &manifest{render: playlist(p), playlist: p}
	next := map[playlistKey]*manifest{key: m}
	for key, m := range old {
		next[key] = m
	}
	c.playlists.Store(&next)
	return m
}

// manifest is one manifest, rendered when somebody asks for a View that nobody has asked for yet. A crowd that is woken by
// the same View costs one render: the first holds mu, the others wait for it or find the result.
type manifest struct {
	now      atomic.Pointer[rendered]
	mu       sync.Mutex // held while rendering
	render   func(v *media.View, last *rendered) (*rendered, error)
	playlist *hls.Playlist // of a media or I-frame playlist, guarded by mu
}

// rendered is a manifest of one View. delta is nil when there is no delta update, full when there is nothing to play yet.
type rendered struct {
	revision    uint64
	ended       bool
	full, delta *document
	compact     *document // the delta update that skips date ranges too; nil when it is the same
	held        []string  // Cache-Control of an answer to a blocking request: it never changes its meaning (rule D4)
	known       map[pieceKey]*piece
}

// at returns the manifest of v or of a newer View.
func (m *manifest) at(v *media.View, p Presentation) (*rendered, error) {
	if r := m.now.Load(); r != nil && r.revision >= v.Revision {
		return r, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.now.Load()
	if last != nil && last.revision >= v.Revision {
		return last, nil
	}
	if newest := p.View(); newest.Revision > v.Revision {
		v = newest
	}
	r, err := m.render(v, last)
	if err != nil {
		return nil, err
	}
	r.revision, r.ended = v.Revision, v.Ended
	m.now.Store(r)
	return r, nil
}

// whole renders a manifest that is one text. A View that does not change it leaves the document, and its compressed
// coding, as they are.
func whole(render func(*media.View) ([]byte, error)) func(*media.View, *rendered) (*rendered, error) {
	return func(v *media.View, last *rendered) (*rendered, error) {
		text, err := render(v)
		if err != nil || text == nil {
			return &rendered{}, err
		}
		if last != nil && last.full != nil && bytes.Equal(last.full.pieces[0].text, text) {
			return &rendered{full: last.full}, nil
		}
		return &rendered{full: newDocument([]*piece{newPiece(text)})}, nil
	}
}

func playlist(p *hls.Playlist) func(*media.View, *rendered) (*rendered, error) {
	return func(v *media.View, last *rendered) (*rendered, error) {
		full, delta := p.Render(v)
		if full == nil {
			return &rendered{}, nil
		}
		var known map[pieceKey]*piece
		if last != nil {
			known = last.known
		}
		list, known := pieces(full, known)
		r := &rendered{full: newDocument(list), known: known, held: []string{"public, max-age=" + strconv.Itoa(int(2*holdLimit(v)/time.Second))}}
		if delta != nil {
			list, _ = pieces(delta, nil)
			r.delta = newDocument(list)
		}
		if compact := p.Compact(); compact != nil {
			list, _ = pieces(compact, nil)
			r.compact = newDocument(list)
		}
		return r, nil
	}
}

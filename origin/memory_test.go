package origin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

const (
	id              = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
	base            = "/" + id + "/show.ism/"
	epoch           = 1_764_077_000
	partsPerSegment = 5
)

// memory is a Presentation in memory: one video and one audio rendition, segments of two seconds, parts of 0.4.
type memory struct {
	mu      sync.Mutex
	view    *media.View
	gate    chan struct{}
	objects map[media.Ref][]byte
	epoch   uint32
	disc    uint32
	number  uint64
	part    int
	first   bool
	window  int
	repeat  int // of a line in a part
}

var _ origin.Presentation = (*memory)(nil)

func newMemory(parts bool) *memory {
	m := &memory{gate: make(chan struct{}), objects: map[media.Ref][]byte{}, epoch: epoch, first: true, window: 30, repeat: 40}
	m.view = &media.View{
		Revision: 1, Anchor: time.Date(2026, 11, 25, 13, 0, 0, 0, time.UTC), SegmentTarget: 2 * time.Second, Ranges: []media.Range{{Epoch: epoch}},
		Renditions: []media.Rendition{
			{Name: "v1", Kind: media.Video, Timescale: media.VideoTimescale, Bandwidth: 6_000_000, AverageBandwidth: 5_500_000},
			{Name: "a1", Kind: media.Audio, Timescale: 48_000, Bandwidth: 130_000, AverageBandwidth: 128_000},
		},
	}
	if parts {
		m.view.PartTarget = 400 * time.Millisecond
	}
	m.change(func(v *media.View) { m.inits(v) })
	return m
}

func (m *memory) inits(v *media.View) {
	tracks := []media.Track{
		{Kind: media.Video, Codec: "avc1.640028", Timescale: media.VideoTimescale, Width: 1920, Height: 1080, FrameRate: media.Rational{Num: 30, Den: 1}},
		{Kind: media.Audio, Codec: "mp4a.40.2", Timescale: 48_000, SampleRate: 48_000, Channels: 2},
	}
	for i := range v.Renditions {
		r := &v.Renditions[i]
		body := []byte("init of " + r.Name)
		r.Inits = append(slices.Clone(r.Inits), media.Init{ID: m.epoch, Track: tracks[i], Body: body})
		m.objects[media.Ref{Rendition: r.Name, Kind: media.ObjectInit, Epoch: m.epoch}] = body
	}
}

// change publishes a new View.
func (m *memory) change(f func(v *media.View)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := *m.view
	v.Renditions = slices.Clone(v.Renditions)
	f(&v)
	v.Revision++
	m.view = &v
	close(m.gate)
	m.gate = make(chan struct{})
}

// step adds one part to all renditions at once.
func (m *memory) step() {
	m.change(func(v *media.View) {
		for i := range v.Renditions {
			m.add(v, &v.Renditions[i])
		}
		if m.part++; m.part == partsPerSegment {
			m.part, m.number, m.first = 0, m.number+1, false
		}
	})
}

func (m *memory) steps(n int) {
	for range n {
		m.step()
	}
}

func (m *memory) add(v *media.View, r *media.Rendition) {
	length := int64(r.Timescale) * 2 / partsPerSegment
	if m.part == 0 {
		r.Open = &media.Segment{Number: m.number, Start: int64(m.number) * 2 * int64(r.Timescale), Epoch: m.epoch, Init: m.epoch, Disc: m.disc, First: m.first, KeySize: 5}
	}
	body := []byte(strings.Repeat(fmt.Sprintf("%s %d.%d;", r.Name, m.number, m.part), m.repeat))
	open := *r.Open
	pid := media.PartID{Epoch: m.epoch, Number: m.number, Part: m.part}
	whole := media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: m.epoch, Number: m.number}
	if v.PartTarget > 0 {
		r.Parts = append(slices.Clone(r.Parts), media.Part{
			PartID: pid, Start: open.End(), Duration: length, Offset: open.Size, Size: uint32(len(body)), Independent: m.part == 0, Body: body,
		})
		m.objects[media.Ref{Rendition: r.Name, Kind: media.ObjectPart, Epoch: pid.Epoch, Number: pid.Number, Part: pid.Part}] = body
		r.Hint = media.PartID{Epoch: m.epoch, Number: m.number, Part: m.part + 1}
	}
	open.Duration += length
	open.Size += uint32(len(body))
	r.Open = &open
	m.objects[whole] = append(slices.Clone(m.objects[whole]), body...)
	if m.part == partsPerSegment-1 {
		m.seal(v, r)
	}
}

func (m *memory) seal(v *media.View, r *media.Rendition) {
	r.Segments = append(slices.Clone(r.Segments), *r.Open)
	r.Segments = r.Segments[max(0, len(r.Segments)-m.window):]
	r.Open = nil
	if v.PartTarget > 0 {
		r.Hint = media.PartID{Epoch: m.epoch, Number: m.number + 1}
	}
	r.Parts = slices.DeleteFunc(slices.Clone(r.Parts), func(p media.Part) bool { return p.Number+3 < m.number })
}

// lose is what happens when the encoder leaves in mid-segment: it is sealed as it is and nothing is expected.
func (m *memory) lose() {
	m.change(func(v *media.View) {
		for i := range v.Renditions {
			r := &v.Renditions[i]
			if r.Open != nil {
				m.seal(v, r)
			}
			r.Hint = media.PartID{}
		}
		if m.part > 0 {
			m.number++
		}
		m.part, m.first = 0, true
		m.epoch += 100
		m.disc++
		m.inits(v)
	})
}

func (m *memory) end() {
	m.change(func(v *media.View) {
		for i := range v.Renditions {
			r := &v.Renditions[i]
			if r.Open != nil {
				m.seal(v, r)
			}
			r.Parts, r.Hint = nil, media.PartID{}
		}
		v.Ended = true
	})
}

func (m *memory) View() *media.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view
}

func (m *memory) Next(ctx context.Context, after uint64) (*media.View, error) {
	for {
		m.mu.Lock()
		v, gate := m.view, m.gate
		m.mu.Unlock()
		if v.Revision > after {
			return v, nil
		}
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (m *memory) Open(_ context.Context, ref media.Ref) (media.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, ok := m.objects[ref]
	r := m.view.Find(ref.Rendition)
	if open := r != nil && r.Open != nil && ref.Kind == media.ObjectSegment && r.Open.Number == ref.Number; !ok || open {
		return media.Object{}, fmt.Errorf("opening %s: %w", ref.Name(), media.ErrNotFound)
	}
	half := len(body) / 2 // objects come in pieces
	return media.Object{Size: int64(len(body)), Data: [][]byte{body[:half], body[half:]}}, nil
}

// catalog resolves one name.
type catalog struct {
	channel *origin.Channel
	err     error
}

func (c catalog) Resolve(_ context.Context, r origin.Request) (origin.Served, error) {
	if c.err != nil {
		return origin.Served{}, c.err
	}
	if r.ID != id || r.Name != "show" {
		return origin.Served{}, origin.ErrNotFound
	}
	return origin.Served{Channel: c.channel}, nil
}

func handlerOf(p origin.Presentation, o origin.Options) *origin.Handler {
	o.Resolver = catalog{channel: origin.NewChannel(p, origin.ChannelOptions{})}
	return origin.NewHandler(o)
}

package node

import (
	"testing"
	"time"

	"headwater.stream/ingest"
)

// TestOverTheWire sends through the RTMP server what breaks others, and holds what viewers see to the rules.
func TestOverTheWire(t *testing.T) {
	for _, c := range []struct {
		name            string
		set             func(w *wire, p *publisher)
		discontinuities int
	}{
		{"plain", func(*wire, *publisher) {}, 0},
		{"case 10: chunk sizes down and up", func(w *wire, p *publisher) {
			sizes := []int{64, 1, 4096, 128, 60000}
			next := 1000.0
			p.beforeSend = func(_ ingest.Session, ms float64) {
				if ms >= next {
					w.setChunk(sizes[int(next)/1000%len(sizes)])
					next += 1000
				}
			}
		}, 0},
		{"case 25: across 2^24 with extended timestamps", func(w *wire, p *publisher) { p.start = 1<<24 - 6000; w.setChunk(8) }, 0},
		{"case 25: across 2^24, left out of type 3 chunks", func(w *wire, p *publisher) { p.start, w.without = 1<<24-6000, true; w.setChunk(8) }, 0},
		{"case 24: across 2^32", func(w *wire, p *publisher) { p.start = 1<<32 - 6000 }, 0},
		{"case 32: metadata that claim another picture", func(w *wire, _ *publisher) {
			w.meta = append(amfText("onMetaData"), 8, 0, 0, 0, 1, 0, 5, 'w', 'i', 'd', 't', 'h', 0, 0x40, 0x59, 0, 0, 0, 0, 0, 0, 0, 0, 9)
		}, 0},
		{"case 33: the sequence header before each key frame", func(w *wire, _ *publisher) { w.again = true }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				w := r.dial("live/token", "key")
				p := publisher{audio: 48000}
				c.set(w, &p)
				r.feed(w, &p, 12*time.Second)
				r.expect(c.discontinuities, 12, 12)
				w.Close()
				w.closed()
			})
		})
	}
}

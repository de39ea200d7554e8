package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/media"
)

// every returns a beforeSend that calls f at each multiple of the given milliseconds, with how often it was called before.
func every(ms float64, f func(i int, ms uint32)) func(ingest.Session, float64) {
	next, i := ms, 0
	return func(_ ingest.Session, now float64) {
		for ; now >= next; next += ms {
			f(i, uint32(now))
			i++
		}
	}
}

// lies are audio and video messages that cannot be read, or say what is not so (cases 41 and 43): the message type is first.
func lies() [][]byte {
	avcc := faultVideo(30, "").Config
	list := [][]byte{
		{9}, {9, 0x17}, {9, 0x17, 0}, {9, 0x17, 0, 0, 0}, {9, 0x17, 0, 0, 0, 0}, {9, 0x17, 0, 0, 0, 0, 1}, // sequence headers cut short
		{9, 0x27, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x65}, {9, 0x27, 1, 0, 0, 0, 0, 0, 0, 0}, {9, 0x27, 1, 0, 0, 0, 0, 0, 0, 9, 0x41}, // NAL lengths
		{9, 0x17, 2, 0, 0, 0}, {9, 0x17, 9, 0, 0, 0, 1}, {9, 0x57, 1, 0, 0, 0, 1}, // end of sequence, packet types, frame types
		{9, 0x22, 1, 2, 3}, {9, 0x26, 1, 2, 3}, {9, 0x2f, 1, 2, 3}, // codecs
		{9, 0x90, 0xff, 0xff, 0xff, 0x57, 1}, []byte("\x09\x90vp08\x01\x02"), []byte("\x09\x90hvc1\x01\x02\x03"), []byte("\x09\x91hvc1\x00\x00\x00\xff\xff\xff"), // enhanced
		[]byte("\x09\x96\x10avc1\x00\x00\x00"), []byte("\x09\x96\x20avc1"), {9, 0x97, 0xff}, // multitrack, ModEx
		{8}, {8, 0xaf}, {8, 0xaf, 0}, {8, 0xaf, 0, 0xff}, {8, 0xaf, 0, 0, 0}, {8, 0xaf, 7, 1}, {8, 0x2f, 0xff, 0xfb}, {8, 0x9f}, []byte("\x08\x91mp4a"), []byte("\x08\x90Opus\x01"),
	}
	for n := 5; n < len(avcc); n += 3 { // avcC cut at every third byte
		list = append(list, append([]byte{9, 0x17, 0, 0, 0, 0}, avcc[:n]...))
	}
	return list
}

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
			p.beforeSend = every(1000, func(i int, _ uint32) { w.setChunk(sizes[i%len(sizes)]) })
		}, 0},
		{"case 25: across 2^24 with extended timestamps", func(w *wire, p *publisher) { p.start = 1<<24 - 6000; w.setChunk(8) }, 0},
		{"case 25: across 2^24, left out of type 3 chunks", func(w *wire, p *publisher) { p.start, w.without = 1<<24-6000, true; w.setChunk(8) }, 0},
		{"case 24: across 2^32", func(w *wire, p *publisher) { p.start = 1<<32 - 6000 }, 0},
		{"case 32: metadata that claim another picture", func(w *wire, _ *publisher) {
			w.meta = append(amfText("onMetaData"), 8, 0, 0, 0, 1, 0, 5, 'w', 'i', 'd', 't', 'h', 0, 0x40, 0x59, 0, 0, 0, 0, 0, 0, 0, 0, 9)
		}, 0},
		{"case 9: media on streams that are not, a second stream, deletes of nothing", func(w *wire, p *publisher) {
			p.beforeSend = every(300, func(i int, ms uint32) {
				switch i % 3 {
				case 0:
					w.send(7, 9, 3, ms, []byte{0x27, 9, 0, 0, 0})
				case 1:
					w.command(0, "createStream", 9, []byte{5})
				default:
					w.command(0, "deleteStream", 0, []byte{5}, []byte{0, 0x40, 0x10, 0, 0, 0, 0, 0, 0})
				}
			})
		}, 0},
		{"case 40: 1000 tiny audio messages a second", func(w *wire, p *publisher) {
			p.beforeSend = every(1, func(_ int, ms uint32) { w.message(4, 8, ms, []byte{0xaf, 1, 0x21}) })
		}, 0},
		{"cases 41, 43: lies in mid-stream", func(w *wire, p *publisher) {
			list := lies()
			p.beforeSend = every(100, func(i int, ms uint32) {
				lie := list[i%len(list)]
				w.message(5, lie[0], ms, lie[1:])
			})
		}, 0},
		{"case 41: lies before the media", func(w *wire, _ *publisher) {
			for _, lie := range lies() {
				if lie[0] == 9 && len(lie) > 1 && lie[1] == 0x17 || lie[0] == 8 && len(lie) > 1 && lie[1] == 0xaf { // codecs that are not taken end a publish
					w.message(5, lie[0], 0, lie[1:])
				}
			}
		}, 0},
		{"case 42: 60 NAL units an access unit; delimiters, SEI, filler", func(_ *wire, p *publisher) {
			p.mutate = func(_ float64, track int, s *media.Sample) bool {
				if track == 0 {
					unit := func(n ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(n))), n...) }
					s.Data = bytes.Join([][]byte{unit(9, 0xf0), unit(6, 5, 1, 0, 0x80), bytes.Repeat(s.Data, 60), unit(12, 0xff, 0xff, 0x80)}, nil)
				}
				return true
			}
		}, 0},
		{"case 44: a flood of metadata", func(w *wire, p *publisher) {
			meta := append(amfText("onMetaData"), 3, 0, 5, 'w', 'i', 'd', 't', 'h', 0, 0x40, 0x74, 0, 0, 0, 0, 0, 0, 0, 0, 9)
			p.beforeSend = every(4, func(int, uint32) { w.message(4, 18, 0, meta) })
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

// TestChangesOverTheWire is case 34: another resolution, told by a sequence header or by parameter sets in the pictures alone.
func TestChangesOverTheWire(t *testing.T) {
	for name, inBand := range map[string]bool{"sequence header": false, "in-band": true} {
		t.Run(name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				w := r.dial("live/token", "key")
				defer w.Close()
				r.feed(w, &publisher{audio: 48000}, 8*time.Second)
				p := publisher{audio: 48000, start: 8033, size: "other"}
				if inBand {
					p.size = ""
					config := faultVideo(30, "other").Config
					n := 8 + int(binary.BigEndian.Uint16(config[6:])) // avcC: 6 bytes, length and SPS, count, length and PPS
					sets := slices.Concat([]byte{0, 0}, config[6:n], []byte{0, 0}, config[n+1:])
					p.mutate = func(_ float64, track int, s *media.Sample) bool {
						if track == 0 && s.Sync {
							s.Data = append(slices.Clone(sets), s.Data...)
						}
						return true
					}
				}
				r.feed(w, &p, 10*time.Second)
				r.expect(1, 18, 18)
				inits := map[string]bool{}
				for _, seg := range r.lists["v1"].segments {
					inits[seg.init] = true
				}
				if len(inits) != 2 {
					t.Errorf("%d initialization sections", len(inits))
				}
				for init := range inits { // the old one stays while it is listed
					name := strings.Split(init, `"`)[1]
					if status, _ := r.get("v1/" + name); status != http.StatusOK {
						t.Errorf("%s: %d", name, status)
					}
				}
				for n, v := range r.lists["v1"].segments {
					if a, ok := r.lists["a1"].segments[n]; ok && a.disc != v.disc {
						t.Errorf("segment %d: discontinuity %d of the picture, %d of the sound", n, v.disc, a.disc)
					}
				}
			})
		})
	}
}

// TestMetadataThatLies is case 32: metadata that claim a track that never comes, and the other way round.
func TestMetadataThatLies(t *testing.T) {
	faults(t, func(r *faultRig) {
		w := r.dial("live/token", "key")
		defer w.Close()
		w.meta = append(amfText("onMetaData"), 3, 0, 12, 'a', 'u', 'd', 'i', 'o', 'c', 'o', 'd', 'e', 'c', 'i', 'd', 0, 0x40, 0x24, 0, 0, 0, 0, 0, 0, 0, 0, 9)
		r.feed(w, &publisher{}, 5*time.Second)
		if status, body := r.get("v1/media.m3u8"); status != http.StatusOK || !strings.Contains(body, "#EXTINF") {
			t.Errorf("not playable within 5 s: %d\n%s", status, body)
		}
		if status, _ := r.get("a1/media.m3u8"); status != http.StatusNotFound {
			t.Errorf("a playlist for the audio that never came: %d", status)
		}
		if _, master := r.get("master.m3u8"); strings.Contains(master, "mp4a") || strings.Contains(master, "TYPE=AUDIO") {
			t.Errorf("the multivariant playlist promises audio:\n%s", master)
		}
	})
}

// TestNoSequenceHeader is case 31: nothing is shown before there is a configuration; late, it is a normal stream.
func TestNoSequenceHeader(t *testing.T) {
	faults(t, func(r *faultRig) {
		w := r.dial("live/token", "key")
		defer w.Close()
		w.tracks = []media.Track{faultVideo(30, "")}
		for i := range 90 {
			_ = w.WriteSample(media.Sample{DTS: int64(i) * 4000, Sync: i%30 == 0, Data: faultFrame(i, i%30 == 0)})
			r.wait(33 * time.Millisecond)
			if status, _ := r.get("v1/media.m3u8"); status != http.StatusNotFound {
				t.Fatalf("a playlist without a configuration: %d", status)
			}
		}
		r.feed(w, &publisher{audio: 48000, start: 3000}, 8*time.Second)
		r.expect(0, 8, 8)
	})
}

// TestSilentPublishers are cases 17 and 21: who sends nothing, or no more, is told and cut off; his key is free at once.
func TestSilentPublishers(t *testing.T) {
	faults(t, func(r *faultRig) {
		w := r.dial("live/token", "key")
		began := time.Now()
		r.wait(18 * time.Second)
		if status, _ := r.get("v1/media.m3u8"); status != http.StatusNotFound {
			t.Errorf("a playlist without media: %d", status)
		}
		w.expect("NetStream.Publish.Idle")
		if d := time.Since(began); d > 21*time.Second {
			t.Errorf("cut off after %v", d)
		}
		w.closed()

		frozen := r.dial("live/token", "key")
		r.feed(frozen, &publisher{audio: 48000}, 6*time.Second)
		r.wait(2 * time.Second)
		second := r.dial("live/token", "key") // takes over at once
		second.expect("NetStream.Publish.Start")
		r.feed(second, &publisher{audio: 48000, start: 8000}, 6*time.Second)
		frozen.expect("NetStream.Publish.BadName")
		frozen.closed()
		r.feed(second, &publisher{audio: 48000, start: 14_033}, 4*time.Second) // the old end has not ended the new publish
		r.wait(8 * time.Second)
		if st, _ := r.rt.EventStatus("e"); !st.Connected {
			t.Error("cut off before ten seconds")
		}
		r.wait(4 * time.Second)
		second.expect("NetStream.Publish.Idle")
		second.closed()
		if st, _ := r.rt.EventStatus("e"); st.Connected {
			t.Error("a frozen encoder still publishes")
		}
		r.expect(1, 16, 16)
	})
}

// TestWhoMayPublish are cases 11, 12, 13 and 15 at the event's door: what is not an event's key is told why and leaves no trace.
func TestWhoMayPublish(t *testing.T) {
	faults(t, func(r *faultRig) {
		files := func() (list []string) {
			_ = filepath.WalkDir(r.dir, func(path string, _ fs.DirEntry, _ error) error { list = append(list, path); return nil })
			return list
		}
		before := files()
		for _, app := range []string{"live/wrong", "live", "", "live/", "other/token", "live/../token", "live/..", "../../etc", "live/%74oken", "live/token\x00", "live/to\r\nken", "live/" + strings.Repeat("x", 60_000), "live/tokenx", "live/toke"} {
			w := r.dial(app, "key")
			began := time.Now()
			w.closed()
			if d := time.Since(began); d > time.Second {
				t.Errorf("app %.20q was kept for %v", app, d)
			}
			w.mu.Lock()
			if said := w.said.String(); !strings.Contains(said, "NetStream.Publish.BadName") || strings.Contains(said, "Publish.Start") || !strings.Contains(said, "description") {
				t.Errorf("app %.20q is answered %q", app, said)
			}
			w.mu.Unlock()
		}
		for _, key := range []string{"", "?", "a\x00b", "a\r\nb", strings.Repeat("k", 60_000)} {
			w := r.dial("live/token", key)
			w.expect("NetStream.Publish.BadName")
			w.closed()
		}
		for _, key := range []string{"../../tmp/x", "%2f..%2f", "a/b/c", "..", "-rf", "ключ"} { // any key will do, and means nothing
			w := r.dial("live/token", key)
			w.expect("NetStream.Publish.Start")
			_ = w.nc.Close()
			w.closed()
		}
		for _, app := range []string{"live/token/", "/live/token", "live/token/_definst_", "live/token?user=x&authmod=adobe", "live/TOKEN"} {
			w := r.dial(app, "key?pass=y")
			w.expect("NetStream.Publish.Start")
			_ = w.nc.Close()
			w.closed()
		}
		if after := files(); !slices.Equal(before, after) {
			t.Errorf("files %v, before %v", after, before)
		}
	})
}

// TestCrowdOfPublishers is case 19: fifty connections a second for ten seconds, on the right and on a wrong key: each is answered.
func TestCrowdOfPublishers(t *testing.T) {
	faults(t, func(r *faultRig) {
		var all []*wire
		for i := range 500 {
			app := "live/token"
			if i%2 == 1 {
				app = fmt.Sprintf("live/wrong%d", i)
			}
			all = append(all, r.dial(app, "key"))
			r.wait(20 * time.Millisecond)
		}
		began := time.Now()
		for i, w := range all {
			w.wait("an answer", func() bool { return bytes.Contains(w.said.Bytes(), []byte("NetStream.Publish.")) })
			if d := time.Since(began); d > 5*time.Second {
				t.Fatalf("publisher %d waited for %v", i, d)
			}
			_ = w.nc.Close()
			w.closed()
		}
	})
}

// TestResetsOverTheWire are cases 16 and 20: connections that end in the middle of a message, and in turns of 700 ms.
func TestResetsOverTheWire(t *testing.T) {
	faults(t, func(r *faultRig) {
		for i := range 3 {
			w := r.dial("live/token", "key")
			r.feed(w, &publisher{audio: 48000, start: int64(i) * 9000}, 6*time.Second+456*time.Millisecond)
			w.Close()
			r.wait(1500 * time.Millisecond)
		}
		for range 20 {
			w := r.dial("live/token", "key")
			w.expect("NetStream.Publish.Start")
			r.feed(w, &publisher{audio: 48000}, 700*time.Millisecond)
			w.Close()
		}
		w := r.dial("live/token", "key")
		r.feed(w, &publisher{audio: 48000}, 6*time.Second)
		w.Close()
		w.closed()
		if d := r.discontinuities(); d < 15 || d > 23 {
			t.Errorf("%d discontinuities", d)
		}
		if n := len(r.rt.events["e"].tl.View().Renditions[0].Segments); n > 60 {
			t.Errorf("the playlist has %d segments", n)
		}
	})
}

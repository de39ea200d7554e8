package ingest

import (
	"bytes"
	"encoding/binary"
	"testing"

	"headwater.stream/internal/media"
)

// FuzzChunks feeds the chunk reader, as the guard does after the handshake: it must neither panic nor hold more memory
// than it may, and what it returns must be within bounds.
func FuzzChunks(f *testing.F) {
	f.Add(false, chunks(3, typeCommand, 0, 0, amfCommand("connect", 1, appendAMFObject(nil, "app", "live")), 128, true))
	f.Add(true, chunks(4, typeVideo, 1, 20_000_000, make([]byte, 300), 128, false))
	f.Add(true, append(chunks(2, typeSetChunkSize, 0, 0, []byte{0, 0, 0, 1}, 128, true), chunks(64, typeAudio, 1, 1<<32-1, make([]byte, 9), 1, true)...))
	f.Add(true, append(chunks(2, typeAbort, 0, 0, []byte{0, 0, 0, 4}, 128, true), header(4, typeVideo, 1, 0, maxMessage)...))
	f.Add(true, chunks(6, typeAggregate, 1, 7, make([]byte, 40), 128, true))
	f.Fuzz(func(t *testing.T, admitted bool, b []byte) {
		limits := Limits{PartialBytes: 1 << 20, UnadmittedBytes: 1 << 17, Work: 1 << 40}.withDefaults()
		w := newWork(limits.Work)
		r := newChunkReader(newInbuf(bytes.NewReader(b), 64), &limits, new(Counters), &w)
		r.admitted = admitted
		for {
			m, err := r.next()
			if r.held > limits.PartialBytes+growStep {
				t.Fatalf("%d bytes held", r.held)
			}
			if err != nil {
				return
			}
			if len(m.payload) == 0 || len(m.payload) > len(b) {
				t.Fatalf("payload of %d bytes from %d", len(m.payload), len(b))
			}
			bundle := newBundle(m)
			for n := 0; ; n++ {
				if _, ok := bundle.next(); !ok {
					break
				}
				if n > len(m.payload) {
					t.Fatal("endless aggregate")
				}
			}
		}
	})
}

// FuzzAMF decodes commands and metadata: no panic, bounded depth and count, whatever is claimed.
func FuzzAMF(f *testing.F) {
	f.Add(amfCommand("connect", 1, appendAMFObject(nil, "app", "live", "fpad", false, "n", 1.5, "x", nil)))
	f.Add(metadata(appendAMFObject([]byte{}, "width", 1920.0, "videodatarate", 6000.0)))
	f.Add(amfCommand("a", 1, nested(9, amfECMAArray)))
	f.Add(append(amfCommand("b", 2, nil), amfStrictArray, 0xff, 0xff, 0xff, 0xff, amfDate, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cmd, err := parseCommand(b, 8, 4096); err == nil {
			_ = cmd.info().get("code")
			_, _ = cmd.text(1)
			if depth(cmd.args) > 9 {
				t.Fatal("deeper than allowed")
			}
		}
		var h hints
		_ = h.read(b, 32, 4096)
	})
}

func depth(v any) int {
	d := 0
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			d = max(d, depth(e))
		}
		return d + 1
	case amfProperties:
		for _, p := range v {
			d = max(d, depth(p.value))
		}
		return d + 1
	}
	return d
}

// FuzzTags feeds the demuxer audio and video bodies, each behind two bytes of length and one of kind and time. What
// reaches the session must be whole NAL units of a track it knows.
func FuzzTags(f *testing.F) {
	join := func(bodies ...[]byte) []byte {
		var b []byte
		for i, x := range bodies {
			b = binary.BigEndian.AppendUint16(b, uint16(len(x)))
			b = append(append(b, byte(i)), x...)
		}
		return b
	}
	r, _ := parseAVCRecord(testAVCC())
	f.Add(join(videoConfig(testAVCC()), audioConfig(ascLC...), videoFrame(true, 80, idr), audioFrame(rawAAC...)))
	f.Add(join(videoConfig(testAVCC()), audioConfig(0x2b, 0x11, 0x88, 0), videoFrame(true, 0, r.sps[0], r.pps[0], idr)))
	f.Add(join([]byte("\x90hvc1...."), []byte("\x9fOpus")))
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := Limits{HoldBytes: 1 << 16}.withDefaults()
		s := &memSession{keep: true}
		d := newDemuxer(s, &limits, new(Counters), "")
		for len(b) > 3 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-3)
			kind, ts := media.Video, uint32(b[2])*40
			if b[2]&1 != 0 {
				kind = media.Audio
			}
			if d.message(kind, ts, b[3:3+n]) != nil {
				break
			}
			b = b[3+n:]
		}
		for _, m := range s.samples {
			if len(m.Data) == 0 {
				t.Fatal("empty sample")
			}
		}
		for _, tracks := range s.setups {
			for _, tr := range tracks {
				if tr.Timescale == 0 || tr.Codec == "" || len(tr.Config) == 0 ||
					tr.Kind == media.Audio && (tr.Channels == 0 || tr.FrameSamples == 0) || tr.Kind == media.Video && tr.Width == 0 {
					t.Fatalf("track %+v", tr)
				}
			}
		}
	})
}

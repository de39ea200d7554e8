package ingest

import (
	"bytes"
	"encoding/binary"
	"testing"

	"headwater.stream/internal/media"
	"headwater.stream/packager/cmaf"
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
		r := amfReader{b: b, depth: 32, count: 4096}
		if _, err := dataName(&r); err == nil {
			_ = h.read(&r)
		}
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
	messages := func(bodies ...[]byte) []byte {
		var b []byte
		for i, x := range bodies {
			b = binary.BigEndian.AppendUint16(b, uint16(len(x)))
			b = append(append(b, byte(i)), x...)
		}
		return b
	}
	r, _ := parseAVCRecord(testAVCC())
	f.Add(messages(videoConfig(testAVCC()), audioConfig(ascLC...), videoFrame(true, 80, idr), audioFrame(rawAAC...)))
	f.Add(messages(videoConfig(testAVCC()), audioConfig(0x2b, 0x11, 0x88, 0), videoFrame(true, 0, r.sps[0], r.pps[0], idr)))
	f.Add(messages([]byte("\x90hvc1...."), []byte("\x9fOpus")))
	f.Add(messages(exVideo(0, "hvc1", testHVCC()...), audioConfig(ascLC...), exVideo(3, "hvc1", withLengths(testHEVCSPS(), hevcIDR)...)))
	f.Add(messages(modEx(modExNano, []byte{1, 2, 3}, exVideo(1, "av01", append(av1Header, av1Key...)...)), exAudio(1, "Opus", 0xfc, 1)))
	f.Add(messages(exVideo(1, "vp09", 0x82, 0x49, 0x83, 0x42, 0, 0x13, 0xf0, 0x0b, 0x30), exAudio(1, "ec-3", 0x0b, 0x77, 0, 3, 0x3f, 0x86, 0, 0)))
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

// fuzzCodec feeds a codec a record and access units cut from b: no panic, and whatever it takes for a track can be
// carried to the last byte by the packager.
func fuzzCodec(f *testing.F, id codecID, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s, s)
		for _, t := range seeds {
			f.Add(s, t)
		}
	}
	f.Fuzz(func(t *testing.T, record, au []byte) {
		c := newCodec(id)
		track, err := c.configure(record)
		if err == nil && track != nil {
			checkTrack(t, track)
		}
		for range 2 {
			fr, err := c.frame(au)
			if err != nil {
				continue
			}
			if len(fr.data) == 0 {
				t.Fatal("empty sample")
			}
			if fr.track != nil {
				checkTrack(t, fr.track)
			}
		}
	})
}

func checkTrack(t *testing.T, tr *media.Track) {
	t.Helper()
	if tr.Timescale == 0 || len(tr.Config) == 0 || tr.Kind == media.Audio && (tr.Channels == 0 || tr.FrameSamples == 0 || tr.SampleRate == 0) ||
		tr.Kind == media.Video && (tr.Width <= 0 || tr.Height <= 0) {
		t.Fatalf("track %+v", tr)
	}
	if _, err := cmaf.BuildInit(*tr); err != nil {
		t.Fatalf("track %+v: %v", tr, err)
	}
}

func FuzzH264(f *testing.F) {
	fuzzCodec(f, codecH264, testAVCC(), withLengths(testAVCC()[8:34], []byte{0x68, 0xef, 0x8f, 0xcb}, idr), withLengths(slice))
}
func FuzzAAC(f *testing.F) {
	fuzzCodec(f, codecAAC, ascLC, []byte{0x2b, 0x11, 0x88, 0}, []byte{0xeb, 0x09, 0x88, 0}, []byte{0x17, 0x80, 0x5d, 0xc0, 0x10}, rawAAC)
}
func FuzzHEVC(f *testing.F) { fuzzCodec(f, codecHEVC, testHVCC(), withLengths(testHEVCSPS(), hevcIDR)) }
func FuzzAV1(f *testing.F) {
	fuzzCodec(f, codecAV1, append([]byte{0x81, 0, 12, 0}, av1Header...), join(av1TD, av1Header, av1Key), av1Inter)
}
func FuzzVP9(f *testing.F) {
	fuzzCodec(f, codecVP9, []byte{0, 31, 0x82, 1, 1, 1, 0, 0}, []byte{0x82, 0x49, 0x83, 0x42, 0, 0x13, 0xf0, 0x0b, 0x30})
}
func FuzzOpus(f *testing.F) {
	fuzzCodec(f, codecOpus, []byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"), []byte{0xff, 3, 1})
}
func FuzzAC3(f *testing.F) {
	fuzzCodec(f, codecAC3, append([]byte{0x0b, 0x77, 0, 0, 0x00, 0x40, 0x40, 0x84}, make([]byte, 120)...))
}
func FuzzEAC3(f *testing.F) {
	fuzzCodec(f, codecEAC3, []byte{0x0b, 0x77, 0, 3, 0x3f, 0x86, 0, 0}, []byte{0x0b, 0x77, 0, 3, 0x3f, 0x86, 0, 0, 0x0b, 0x77, 0x40, 5, 0x34, 0x86, 0, 0xc1, 0, 0, 0, 0})
}
func FuzzFLAC(f *testing.F) {
	fuzzCodec(f, codecFLAC, join([]byte("fLaC\x80\x00\x00\x22\x12\x00\x12\x00"), make([]byte, 6), []byte{0x0b, 0xb8, 0x02, 0xf0}, make([]byte, 20)),
		[]byte{0xff, 0xf8, 0x7a, 0x18, 0xc2, 0x80, 0x03, 0xff, 0, 0})
}

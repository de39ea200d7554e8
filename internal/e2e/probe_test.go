package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Packet is one access unit as ffprobe read it.
type Packet struct {
	Kind     string // video, audio
	DTS, PTS float64
	Key      bool
	Hash     string // of the payload
}

// probe reads every packet of a file or URL, to its end or to the time limit. A reader that was stopped by the limit
// returns what it had.
func probe(d time.Duration, input string, options ...string) ([]Packet, error) {
	args := append([]string{"-v", "error"}, options...)
	args = append(args, "-show_packets", "-show_data_hash", "md5", "-show_entries", "packet=codec_type,pts_time,dts_time,flags,data_hash", "-of", "compact=p=0", input)
	out, err := tryRun(d, "ffprobe", args...)
	var packets []Packet
	for line := range strings.Lines(string(out)) {
		p := Packet{}
		for field := range strings.SplitSeq(strings.TrimSpace(line), "|") {
			key, value, _ := strings.Cut(field, "=")
			switch key {
			case "codec_type":
				p.Kind = value
			case "pts_time":
				p.PTS, _ = strconv.ParseFloat(value, 64)
			case "dts_time":
				p.DTS, _ = strconv.ParseFloat(value, 64)
			case "flags":
				p.Key = strings.HasPrefix(value, "K")
			case "data_hash":
				p.Hash = value
			}
		}
		if p.Hash != "" {
			packets = append(packets, p)
		}
	}
	return packets, err
}

func of(packets []Packet, kind string) []Packet {
	var some []Packet
	for _, p := range packets {
		if p.Kind == kind {
			some = append(some, p)
		}
	}
	return some
}

// sameFrames checks that got are the frames of want, each once and in order, with the same distances in time. Of the
// audio, up to missing frames may lack at either end: sound without a picture is not shown.
func sameFrames(t *testing.T, what string, got, want []Packet, missing int) {
	t.Helper()
	for _, kind := range []string{"video", "audio"} {
		g, w := of(got, kind), of(want, kind)
		if kind == "audio" {
			w = aligned(g, w, missing)
		}
		if len(g) != len(w) {
			t.Errorf("%s: %d %s frames, want %d: %s", what, len(g), kind, len(w), firstDifference(g, w))
			continue
		}
		for i := range g {
			if g[i].Hash != w[i].Hash {
				t.Errorf("%s: %s frame %d is another: %s", what, kind, i, firstDifference(g, w))
				break
			}
			if i == 0 {
				continue
			}
			if g[i].DTS <= g[i-1].DTS {
				t.Errorf("%s: %s frame %d: DTS %.6f after %.6f", what, kind, i, g[i].DTS, g[i-1].DTS)
				break
			}
			step, wanted := g[i].DTS-g[i-1].DTS, w[i].DTS-w[i-1].DTS
			offset, wantedOffset := g[i].PTS-g[i].DTS-(g[0].PTS-g[0].DTS), w[i].PTS-w[i].DTS-(w[0].PTS-w[0].DTS)
			// ffprobe prints microseconds.
			if diff(step, wanted) > 3e-6 || diff(offset, wantedOffset) > 5e-6 || g[i].Key != w[i].Key {
				t.Errorf("%s: %s frame %d: %.6f s after the one before (want %.6f), offset %.6f (want %.6f), key %v (want %v)", what, kind, i,
					step, wanted, offset, wantedOffset, g[i].Key, w[i].Key)
				break
			}
		}
	}
}

// aligned returns the part of want that got may be: without up to missing frames at each end.
func aligned(got, want []Packet, missing int) []Packet {
	if len(got) == 0 {
		return want
	}
	for skip := 0; skip <= missing && skip < len(want); skip++ {
		if want[skip].Hash == got[0].Hash {
			want = want[skip:]
			break
		}
	}
	if extra := len(want) - len(got); extra > 0 && extra <= missing {
		want = want[:len(got)]
	}
	return want
}

// contiguous checks that packets of each kind follow one another without a hole, strictly rising.
func contiguous(t *testing.T, what string, packets []Packet) {
	t.Helper()
	for kind, longest := range map[string]float64{"video": 1.02 / 30, "audio": 1.02 * 1024 / 48000} {
		p := of(packets, kind)
		if len(p) < 30 {
			t.Errorf("%s: only %d %s packets", what, len(p), kind)
		}
		for i := 1; i < len(p); i++ {
			if step := p[i].DTS - p[i-1].DTS; step <= 0 || step > longest {
				t.Errorf("%s: %s packet %d: DTS %.6f after %.6f", what, kind, i, p[i].DTS, p[i-1].DTS)
				break
			}
		}
	}
}

func diff(a, b float64) float64 { return max(a-b, b-a) }

func firstDifference(got, want []Packet) string {
	at := map[string]int{}
	for i, p := range want {
		at[p.Hash] = i
	}
	for i, p := range got {
		if i >= len(want) || p.Hash != want[i].Hash {
			where, known := at[p.Hash]
			if !known {
				return fmt.Sprintf("number %d (DTS %.3f) is none of the frames sent", i, p.DTS)
			}
			return fmt.Sprintf("number %d (DTS %.3f) is frame %d", i, p.DTS, where)
		}
	}
	return fmt.Sprintf("the first %d are right", len(got))
}

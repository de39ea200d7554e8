package origin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/origin"
)

// pending is a request that is being served.
type pending struct {
	w      *httptest.ResponseRecorder
	done   chan struct{}
	cancel context.CancelFunc
}

// begin serves a request in the background, inside a synctest bubble.
func begin(t *testing.T, h http.Handler, method, target string) *pending {
	ctx, cancel := context.WithCancel(t.Context())
	p := &pending{w: httptest.NewRecorder(), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(p.done)
		h.ServeHTTP(p.w, httptest.NewRequestWithContext(ctx, method, target, nil))
	}()
	t.Cleanup(cancel)
	return p
}

// answered lets everything run until it waits and reports whether the request is finished; not one byte may have been sent
// before.
func (p *pending) answered(t *testing.T) bool {
	t.Helper()
	synctest.Wait()
	select {
	case <-p.done:
		return true
	default:
	}
	if p.w.Body.Len() > 0 || p.w.Flushed {
		t.Errorf("%d bytes were sent before there was everything", p.w.Body.Len())
	}
	return false
}

func TestBlockingReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(8*partsPerSegment + 2) // the edge is 8.1
		h := handlerOf(m, origin.Options{})
		url := base + "v1/media.m3u8?"
		part := begin(t, h, "GET", url+"_HLS_msn=8&_HLS_part=2")
		segment := begin(t, h, "GET", url+"_HLS_msn=8")
		next := begin(t, h, "GET", url+"_HLS_msn=9&_HLS_part=0")
		rolled := begin(t, h, "GET", url+"_HLS_msn=8&_HLS_part=5")
		head := begin(t, h, "HEAD", url+"_HLS_msn=8&_HLS_part=2")
		for _, p := range []*pending{part, segment, next, rolled, head} {
			if p.answered(t) {
				t.Fatalf("answered at the edge 8.1: %s", p.w.Body)
			}
		}
		m.step()
		if !part.answered(t) || part.w.Code != 200 || !strings.Contains(part.w.Body.String(), `URI="part-1764077000-8-2.m4s"`) {
			t.Errorf("part 8.2: %d\n%s", part.w.Code, part.w.Body)
		}
		if !head.answered(t) || head.w.Header().Get("Content-Length") != part.w.Header().Get("Content-Length") {
			t.Errorf("HEAD: %v", head.w.Header())
		}
		if segment.answered(t) || next.answered(t) {
			t.Error("_HLS_msn alone, or the next segment, was answered at a part")
		}
		m.steps(2)
		if !segment.answered(t) || !strings.Contains(segment.w.Body.String(), "\nseg-1764077000-8.m4s\n") {
			t.Errorf("segment 8: %d\n%s", segment.w.Code, segment.w.Body)
		}
		if next.answered(t) || rolled.answered(t) {
			t.Error("part 9.0 was answered before it was there")
		}
		m.step()
		if !next.answered(t) || !rolled.answered(t) || next.w.Body.String() != rolled.w.Body.String() {
			t.Errorf("part 9.0: %d, part 8.5: %d", next.w.Code, rolled.w.Code)
		}
	})
}

func TestPlainBlockingReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(false)
		m.steps(4 * partsPerSegment)
		h := handlerOf(m, origin.Options{})
		p := begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=4&_HLS_part=1")
		m.steps(partsPerSegment - 1)
		if p.answered(t) {
			t.Fatal("answered before the segment")
		}
		m.step()
		if !p.answered(t) || !strings.Contains(p.w.Body.String(), "\nseg-1764077000-4.m4s\n") || strings.Contains(p.w.Body.String(), "PART") {
			t.Errorf("%d\n%s", p.w.Code, p.w.Body)
		}
	})
}

// TestIFramesReload: an I-frame playlist lists whole segments. The multivariant playlist names it before it has any; who asks
// for it then waits for the first.
func TestIFramesReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2)
		h := handlerOf(m, origin.Options{})
		if master := body(t, ask(h, "GET", base+"manifest(format=m3u8-cmaf,iframes=yes)")); !strings.Contains(master, `URI="v1/iframes.m3u8"`) {
			t.Errorf("before the end of the first segment:\n%s", master)
		}
		first, second := begin(t, h, "GET", base+"v1/iframes.m3u8"), begin(t, h, "GET", base+"v1/iframes.m3u8?_HLS_msn=1&_HLS_part=0")
		if first.answered(t) || second.answered(t) {
			t.Fatal("answered before a segment")
		}
		m.steps(partsPerSegment - 2)
		if !first.answered(t) || !strings.HasSuffix(first.w.Body.String(), "\n#EXT-X-BYTERANGE:5@0\n#EXTINF:2.00000,\nseg-1764077000-0.m4s\n") {
			t.Errorf("the first segment: %d\n%s", first.w.Code, first.w.Body)
		}
		m.step()
		if second.answered(t) {
			t.Error("the second segment was answered at its first part")
		}
		m.lose()
		if !second.answered(t) || !strings.Contains(second.w.Body.String(), "\nseg-1764077000-1.m4s\n") {
			t.Errorf("the second segment: %d\n%s", second.w.Code, second.w.Body)
		}
	})
}

func TestHeldHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2*partsPerSegment - 1)
		h := handlerOf(m, origin.Options{})
		last := begin(t, h, "GET", base+"a1/part-1764077000-1-4.m4s")
		if last.answered(t) {
			t.Fatalf("answered before the part: %d", last.w.Code)
		}
		m.step()
		// At the end of a segment the hint is the first part of the next.
		first := begin(t, h, "GET", base+"a1/part-1764077000-2-0.m4s")
		if !last.answered(t) || last.w.Code != 200 || !strings.HasSuffix(last.w.Body.String(), "a1 1.4;") {
			t.Errorf("part 1.4: %d", last.w.Code)
		}
		if first.answered(t) {
			t.Fatalf("answered before the part: %d", first.w.Code)
		}
		m.step()
		if !first.answered(t) || first.w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.HasPrefix(first.w.Body.String(), "a1 2.0;") {
			t.Errorf("part 2.0: %d, %v", first.w.Code, first.w.Header())
		}
	})
}

// TestEncoderLeaves: what was hinted will not come, and the playlist goes on in the same URL when the encoder is back.
func TestEncoderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(8*partsPerSegment + 2)
		h := handlerOf(m, origin.Options{})
		hint := begin(t, h, "GET", base+"v1/part-1764077000-8-2.m4s")
		reload := begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=8&_HLS_part=2")
		segment := begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=8")
		if hint.answered(t) || reload.answered(t) || segment.answered(t) {
			t.Fatal("answered too early")
		}
		m.lose()
		if !hint.answered(t) || hint.w.Code != 404 || hint.w.Header().Get("Cache-Control") != "public, max-age=1" {
			t.Errorf("the hinted part: %d %v", hint.w.Code, hint.w.Header())
		}
		if !segment.answered(t) || segment.w.Code != 200 {
			t.Errorf("the short segment: %d", segment.w.Code)
		}
		if reload.answered(t) {
			t.Errorf("part 8.2 does not exist: %d", reload.w.Code)
		}
		m.step()
		if !reload.answered(t) || reload.w.Code != 200 || !strings.Contains(reload.w.Body.String(), "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1764077100.mp4\"") {
			t.Errorf("after the return: %d\n%s", reload.w.Code, reload.w.Body)
		}
	})
}

func TestEndReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2*partsPerSegment + 1)
		h := handlerOf(m, origin.Options{})
		hint := begin(t, h, "GET", base+"v1/part-1764077000-2-1.m4s")
		reload := begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=3&_HLS_part=0")
		if hint.answered(t) || reload.answered(t) {
			t.Fatal("answered too early")
		}
		m.end()
		if !reload.answered(t) || reload.w.Code != 200 || !strings.HasSuffix(reload.w.Body.String(), "#EXT-X-ENDLIST\n") || reload.w.Header().Get("Cache-Control") != "public, max-age=60" {
			t.Errorf("playlist at the end: %d %v\n%s", reload.w.Code, reload.w.Header(), reload.w.Body)
		}
		if !hint.answered(t) || hint.w.Code != 404 {
			t.Errorf("the hinted part at the end: %d", hint.w.Code)
		}
	})
}

func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2 * partsPerSegment)
		var metrics origin.Metrics
		h := handlerOf(m, origin.Options{Metrics: &metrics})
		began := time.Now()
		for _, target := range []string{"v1/media.m3u8?_HLS_msn=2&_HLS_part=0", "v1/part-1764077000-2-0.m4s"} {
			p := begin(t, h, "GET", base+target)
			<-p.done
			head := p.w.Header()
			if p.w.Code != 503 || head.Get("Cache-Control") != "no-store" || head.Get("Retry-After") != "1" || head.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %d %v", target, p.w.Code, head)
			}
			if took := time.Since(began); took != 6*time.Second { // three target durations
				t.Errorf("%s: held %v", target, took)
			}
			began = time.Now()
		}
		if metrics.Expired.Load() != 2 || metrics.Waiting.Load() != 0 {
			t.Errorf("expired %d, waiting %d", metrics.Expired.Load(), metrics.Waiting.Load())
		}
	})
}

// TestAway: while no encoder is there, a blocked reload is answered with the playlist as it is after half a target duration, sooner
// than players give up; or with new media at once when the encoder comes back.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2*partsPerSegment + 1)
		h := handlerOf(m, origin.Options{})
		before := begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=3&_HLS_part=0")
		if before.answered(t) {
			t.Fatal("answered too early")
		}
		m.lose()
		lost := time.Now()
		<-before.done
		unchanged := body(t, ask(h, "GET", base+"v1/media.m3u8"))
		if took := time.Since(lost); took != time.Second || before.w.Code != 200 || before.w.Body.String() != unchanged {
			t.Errorf("answered %d after %v:\n%s", before.w.Code, took, before.w.Body)
		}
		if cache := before.w.Header().Get("Cache-Control"); cache != "public, max-age=1" {
			t.Errorf("an answer that is not what was asked for: Cache-Control %q", cache)
		}
		after := begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=3&_HLS_part=0")
		if after.answered(t) {
			t.Fatal("answered at once")
		}
		m.step()
		if !after.answered(t) || after.w.Code != 200 || after.w.Body.String() == unchanged {
			t.Errorf("when the encoder is back: %d\n%s", after.w.Code, after.w.Body)
		}
	})
}

func TestViewerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2 * partsPerSegment)
		var metrics origin.Metrics
		h := handlerOf(m, origin.Options{Metrics: &metrics})
		p := begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=2&_HLS_part=0")
		if p.answered(t) || metrics.Waiting.Load() != 1 {
			t.Fatalf("waiting: %d", metrics.Waiting.Load())
		}
		p.cancel()
		if !p.answered(t) || metrics.Waiting.Load() != 0 || p.w.Body.Len() > 0 {
			t.Errorf("waiting: %d, sent %s", metrics.Waiting.Load(), p.w.Body)
		}
	})
}

// TestCrowd: many wait, a few too many are refused, and all who waited get the same answer.
func TestCrowd(t *testing.T) {
	const most = 10_000
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2 * partsPerSegment)
		var metrics origin.Metrics
		h := handlerOf(m, origin.Options{Metrics: &metrics, MaxWaiting: most})
		var crowd []*pending
		for range most + 10 {
			crowd = append(crowd, begin(t, h, "GET", base+"v1/media.m3u8?_HLS_msn=2&_HLS_part=0"))
		}
		synctest.Wait()
		if w := ask(h, "GET", base+"v1/media.m3u8"); w.StatusCode != 200 {
			t.Errorf("a plain request meanwhile: %d", w.StatusCode)
		}
		m.step()
		want := body(t, ask(h, "GET", base+"v1/media.m3u8"))
		served, refused := 0, 0
		for _, p := range crowd {
			if !p.answered(t) {
				t.Fatal("still waiting")
			}
			switch p.w.Code {
			case 200:
				served++
				if p.w.Body.String() != want {
					t.Fatalf("not the same answer:\n%s", p.w.Body)
				}
			case 503:
				refused++
				if p.w.Header().Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
			}
		}
		if served != most || refused != 10 || metrics.Refused.Load() != 10 {
			t.Errorf("served %d, refused %d, counted %d", served, refused, metrics.Refused.Load())
		}
	})
}

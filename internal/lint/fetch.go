package lint

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of what a run takes from a server it does not trust.
const (
	maxManifest = 16 << 20  // bytes of a manifest, decompressed
	maxObject   = 64 << 20  // bytes of a segment or part
	maxTotal    = 512 << 20 // bytes of media in a run; beyond it only manifests are looked at
	requestTime = 60 * time.Second
)

// What an Exchange was for.
const (
	forMultivariant = "multivariant playlist"
	forPlaylist     = "media playlist"
	forMPD          = "MPD"
	forInit         = "initialization section"
	forSegment      = "segment"
	forPart         = "part"
	forHint         = "hinted part"
	forIFrames      = "I-frame playlist"
	forPicture      = "picture"
	forFlight       = "a segment that is being made"
	probeMissing    = "a segment that does not exist"
	probeHead       = "HEAD"
	probeRange      = "a range"
	probeIdentity   = "a playlist without compression"
	probePast       = "a blocking reload for the past"
	probeFar        = "a blocking reload far ahead"
	probeNoMSN      = "_HLS_part without _HLS_msn"
	probeSkip       = "a delta update"
	probeRemoved    = "a segment that has left the playlist"
	probeParts      = "the parts of a segment, joined"
	probeNext       = "a blocking reload for the next segment"
	probeTogether   = "a blocking reload for the hinted part"
)

// Exchange is a request and what came back.
type Exchange struct {
	For      string
	URL      string
	Status   int
	Header   http.Header
	Size     int64
	Sum      [sha256.Size]byte
	First    time.Duration // from the request to the first byte of the body
	Took     time.Duration // and to the last
	Hops     int           // redirects followed
	Gzipped  bool
	Whole    int64 // of a probe: the size of what it is a probe of
	Live     bool  // of a presentation that goes on
	Target   int   // target duration of the playlist, when known
	List     *Playlist
	Before   *Playlist // what was known when a probe was sent
	Proto    int       // major version of HTTP
	WantMSN  int64     // of a blocking reload
	WantPart int64     // -1: the whole segment
	Differs  bool      // of the joined parts: from the segment

	PartTarget float64
	After      time.Duration // of a reload: later than the hinted part
	body       []byte
}

// Doer does requests: an http.Client.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// fetcher fetches within limits and hands what it sees to the judge.
type fetcher struct {
	http     Doer
	judge    *judge
	requests atomic.Int64
	bytes    atomic.Int64
	media    atomic.Int64
}

var errTooLarge = errors.New("larger than this command reads")

// get does one request; the exchange is complete but for what the caller knows. An error means that there is none.
func (f *fetcher) get(ctx context.Context, x Exchange, method string, header ...string) (*Exchange, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, x.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "headwater-lint")
	req.Header.Set("Origin", "https://player.example") // some servers send CORS headers only then
	req.Header.Set("Accept-Encoding", "gzip")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	f.requests.Add(1)
	began := time.Now()
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, x.URL, err)
	}
	defer resp.Body.Close()
	x.Status, x.Header, x.First, x.Proto = resp.StatusCode, resp.Header, time.Since(began), resp.ProtoMajor
	if resp.Request != nil && resp.Request.URL != nil {
		x.URL = resp.Request.URL.String() // relative URIs are relative to where it came from in the end
	}
	for r := resp.Request; r != nil && r.Response != nil && x.Hops < 20; r = r.Response.Request {
		x.Hops++
	}
	limit := int64(maxObject)
	if manifestKind(x.For) {
		limit = maxManifest
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	x.Took, x.Size = time.Since(began), int64(len(raw))
	f.bytes.Add(x.Size)
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading the answer: %w", method, x.URL, err)
	}
	if resp.Header.Get("Content-Encoding") == "gzip" && method != http.MethodHead {
		x.Gzipped = true
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err == nil {
			raw, err = io.ReadAll(io.LimitReader(z, limit+1))
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: Content-Encoding is gzip and the body is not: %w", method, x.URL, err)
		}
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s %s: %w (%d bytes)", method, x.URL, errTooLarge, limit)
	}
	x.body, x.Sum = raw, sha256.Sum256(raw)
	return &x, nil
}

func manifestKind(k string) bool {
	switch k {
	case forInit, forSegment, forPart, forHint, forPicture, forFlight, probeRange, probeRemoved, probeMissing, probeHead:
		return false
	}
	return true
}

// fetchMedia gets an object, or a range of one ("n@o" of a playlist), unless the run has had enough.
func (f *fetcher) fetchMedia(ctx context.Context, x Exchange, byteRange string) (*Exchange, error) {
	if f.media.Load() > maxTotal {
		f.judge.note("%d MiB of media were enough: from there on only manifests were looked at", maxTotal>>20)
		return nil, nil
	}
	var header []string
	if n, o, ok := strings.Cut(byteRange, "@"); ok {
		var size, start int64
		if _, err := fmt.Sscan(n, &size); err == nil {
			if _, err := fmt.Sscan(o, &start); err == nil && size > 0 {
				header = []string{"Range", fmt.Sprintf("bytes=%d-%d", start, start+size-1)}
			}
		}
	}
	got, err := f.get(ctx, x, http.MethodGet, header...)
	if got != nil {
		f.media.Add(got.Size)
	}
	return got, err
}

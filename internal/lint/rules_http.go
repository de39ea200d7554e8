package lint

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// on limits a rule to exchanges of some kinds.
func on(check func(x *Exchange) string, kinds ...string) func(*Exchange) string {
	return func(x *Exchange) string {
		for _, k := range kinds {
			if x.For == k {
				return check(x)
			}
		}
		return nothing
	}
}

// status says what else than one of some statuses came.
func status(allowed ...int) func(*Exchange) string {
	return func(x *Exchange) string {
		for _, s := range allowed {
			if x.Status == s {
				return ""
			}
		}
		return fmt.Sprintf("%s: status %d", x.For, x.Status)
	}
}

// holds says whether an answer to a blocking reload has what was asked for.
func holds(x *Exchange) string {
	switch {
	case x.Status != 200:
		return fmt.Sprintf("%s: status %d after %s", x.For, x.Status, x.Took.Round(time.Millisecond))
	case x.List == nil || x.List.End || x.List.last() >= x.WantMSN:
		return ""
	case x.WantPart >= 0 && x.List.last() == x.WantMSN-1 && int64(len(x.List.Open)) > x.WantPart:
		return ""
	}
	return fmt.Sprintf("asked for %d (part %d), the answer ends at %d with %d parts of the next", x.WantMSN, x.WantPart, x.List.last(), len(x.List.Open))
}

// lowLatencyHTTPRules are section C of media-rules.md, as far as only requests show them.
func lowLatencyHTTPRules() []Rule {
	return []Rule{
		{ID: "LL-BLOCK", Level: Must, Says: "A blocking reload is held until what it asks for is there, and no longer", Hurts: "Players spin (answered early) or stall (answered late or with an error)", Clause: "8216bis 6.2.5.2",
			Fix: "Hold the request until the playlist has the segment or part, then answer 200 with it", exchange: on(holds, probeNext)},
		{ID: "LL-BLOCK-PAST", Level: Must, Says: "A blocking reload for something past is answered at once with the current playlist", Hurts: "Players that fell behind get an error or hang, and stop", Clause: "8216bis 6.2.5.2", Fix: "Answer 200 with the newest playlist",
			exchange: on(func(x *Exchange) string {
				if x.Status == 200 && x.Took > 3*time.Second {
					return fmt.Sprintf("it was held for %s", x.Took.Round(time.Millisecond))
				}
				return status(200)(x)
			}, probePast)},
		{ID: "LL-400-FAR", Level: Should, Says: "A blocking reload far ahead of the edge is answered 400", Hurts: "A player with a wrong idea of the edge waits for minutes instead of starting over", Clause: "8216bis 6.2.5.2", Fix: "400 when _HLS_msn is above the last segment plus two",
			exchange: on(status(400), probeFar)},
		{ID: "LL-400-NOMSN", Level: Must, Says: "_HLS_part without _HLS_msn is answered 400", Hurts: "A broken client is served by guess", Clause: "8216bis 6.2.5.2", Fix: "Answer 400", exchange: on(status(400), probeNoMSN)},
		{ID: "LL-SKIP", Level: Must, Says: "A delta update leaves out only what is older than CAN-SKIP-UNTIL, and nothing else differs", Hurts: "Players lose segments and stop, or keep stale ones", Clause: "8216bis 6.2.5.1, 4.4.5.2",
			Fix: "Count from the end of the last complete segment; keep media and discontinuity sequence", exchange: on(checkDelta, probeSkip)},
		{ID: "LL-SKIP-OFFER", Level: Should, Says: "Delta updates are given where CAN-SKIP-UNTIL offers them", Hurts: "Each reload of a long playlist costs all of its bytes", Clause: "8216bis 6.2.5.1", Fix: "Answer _HLS_skip=YES with EXT-X-SKIP when there is something beyond the boundary",
			exchange: on(func(x *Exchange) string {
				if x.Status == 200 && x.List.Skipped < 0 && x.Before.length() > x.Before.Control.number("CAN-SKIP-UNTIL")+3*float64(x.Before.Target) {
					return fmt.Sprintf("%.0f s are listed, and nothing was skipped", x.Before.length())
				}
				return ""
			}, probeSkip)},
		{ID: "LL-HINT-GET", Level: Must, Says: "A request for the hinted part is held and then answered with it", Hurts: "Safari, which asks for every hint, fails and falls back to higher latency", Clause: "8216bis 6.2.6", Fix: "Hold the request until the part is complete; 404 at once when the plan has changed",
			exchange: on(status(200, 206, 404), forHint)},
		{ID: "LL-HINT-BURST", Level: Must, Says: "A hinted part comes in one burst", Hurts: "Players measure the encoder's bit rate instead of the line's, and switch down", Clause: "8216bis 6.2.6, B.1", Fix: "Send nothing before the whole part is there",
			exchange: on(func(x *Exchange) string {
				if d := x.Took - x.First; x.Status/100 == 2 && d > 150*time.Millisecond && x.Size < 4<<20 {
					return fmt.Sprintf("its %d bytes took %s", x.Size, d.Round(time.Millisecond))
				}
				return ""
			}, forHint)},
		{ID: "LL-BLOCK-FAST", Level: Must, Says: "A blocking reload and a request for the hinted part are answered within PART-TARGET of each other", Hurts: "Players learn of a part when it is old and stay a part or more further behind, or stall", Clause: "8216bis 6.2.5.2, 6.2.6",
			Fix: "Let the part and the playlist that lists it be there at once", exchange: on(func(x *Exchange) string {
				if d := x.After.Abs(); d > time.Duration(x.PartTarget*float64(time.Second))+slack {
					return fmt.Sprintf("the playlist came %s after the part", x.After.Round(time.Millisecond))
				}
				return ""
			}, probeTogether)},
		{ID: "LL-CADENCE", Level: Must, Says: "A part comes within PART-TARGET of the one before; one in ten may be 200 ms late", Hurts: "Players at PART-HOLD-BACK from the edge stall, and go further away from it", Clause: "8216bis 6.2.1",
			Fix: "Look at the encoder's uplink and at the load of the server; let no cache hold a blocking reload", pace: func(c *cadence) string {
				if c.total < 10 {
					return nothing
				}
				if 10*c.late > c.total {
					return fmt.Sprintf("%d of %d were late", c.late, c.total)
				}
				return ""
			}},
		{ID: "LL-PART-BYTES", Level: Should, Says: "The parts of a segment are, joined, the segment", Hurts: "Players that mix parts and segments meet samples twice or not at all; caches keep everything twice", Clause: "8216bis 4.4.4.9 (the same media); CTA-5005", Fix: "Cut the segment from the parts instead of muxing it again",
			exchange: on(func(x *Exchange) string {
				if x.Whole != x.Size {
					return fmt.Sprintf("the parts have %d bytes, the segment %d", x.Size, x.Whole)
				}
				if x.Differs {
					return "they have other bytes than the segment"
				}
				return ""
			}, probeParts)},
	}
}

func checkDelta(x *Exchange) string {
	d, full := x.List, x.Before
	if x.Status != 200 {
		return status(200)(x)
	}
	if d.Skipped < 0 {
		return ""
	}
	if d.Version < 9 {
		return fmt.Sprintf("EXT-X-SKIP in version %d; it needs 9", d.Version)
	}
	if d.MSN < full.MSN || d.HasDSeq != full.HasDSeq {
		return fmt.Sprintf("media sequence %d, in the full playlist before %d; or the discontinuity sequence is left out", d.MSN, full.MSN)
	}
	until := full.Control.number("CAN-SKIP-UNTIL")
	if kept := d.length(); until > 0 && d.Skipped > 0 && kept < until-0.001 {
		return fmt.Sprintf("%d segments are skipped and the last %.3f s listed; CAN-SKIP-UNTIL is %.3f", d.Skipped, kept, until)
	}
	for _, s := range d.Segments {
		if i := s.MSN - full.MSN; i >= 0 && i < int64(len(full.Segments)) && full.Segments[i].URI != s.URI {
			return fmt.Sprintf("segment %d is %s, and %s in the full playlist", s.MSN, s.URI, full.Segments[i].URI)
		}
	}
	return ""
}

// maxAge returns how long a shared cache may keep an answer; -1: not said, 0: not at all.
func maxAge(x *Exchange) int {
	age := -1
	for v := range strings.SplitSeq(strings.Join(x.Header.Values("Cache-Control"), ","), ",") {
		v = strings.ToLower(strings.TrimSpace(v))
		name, value, _ := strings.Cut(v, "=")
		n, err := strconv.Atoi(strings.Trim(value, `"`))
		switch {
		case name == "no-store", name == "no-cache", name == "private":
			return 0
		case name == "s-maxage" && err == nil, name == "max-age" && err == nil && age < 0:
			age = n
		}
	}
	return age
}

// httpRules are section D of media-rules.md, and B13.
func httpRules() []Rule {
	media := []string{forInit, forSegment, forPart}
	manifests := []string{forMultivariant, forPlaylist, forMPD}
	return []Rule{
		{ID: "MP-SEG", Level: Must, Says: "What a manifest lists is there", Hurts: "Players retry, skip or stop", Clause: "8216bis 6.2.1, 6.2.2; DASH-IF timing model 4.3", Fix: "List an object only when it can be fetched, and keep it while it is listed", exchange: on(status(200, 206), media...)},
		{ID: "MP-SEG-KEEP", Level: Must, Says: "A segment stays for a while after it has left the playlist", Hurts: "Players with a playlist that is seconds old get 404 and skip or stop", Clause: "8216bis 6.2.2", Fix: "Keep removed segments for their duration plus that of the longest playlist that listed them",
			exchange: on(status(200, 206), probeRemoved)},
		{ID: "HTTP-CORS", Level: Must, Says: "Answers carry Access-Control-Allow-Origin", Hurts: "No player in a web page of another origin can read them (hls.js, dash.js, Shaka)", Clause: "Fetch standard, CORS protocol", Fix: "Access-Control-Allow-Origin: * on everything",
			exchange: func(x *Exchange) string {
				if x.Status < 400 && x.For != probeHead && x.Header.Get("Access-Control-Allow-Origin") == "" {
					return x.For + " without it"
				}
				return ""
			}},
		{ID: "HTTP-CORS-ERR", Level: Should, Says: "Errors carry Access-Control-Allow-Origin too", Hurts: "Web players see a network error instead of the status and cannot react to it", Clause: "Fetch standard, CORS protocol", Fix: "In nginx: add_header … always",
			exchange: func(x *Exchange) string {
				if x.Status >= 400 && x.Header.Get("Access-Control-Allow-Origin") == "" {
					return fmt.Sprintf("%s, status %d, without it", x.For, x.Status)
				}
				return ""
			}},
		{ID: "PL-CT", Level: Should, Says: "Playlists are application/vnd.apple.mpegurl, or end in .m3u8", Hurts: "Safari does not recognize a playlist that is neither", Clause: "8216bis 4; RFC 8216 10", Fix: "Content-Type: application/vnd.apple.mpegurl",
			exchange: on(func(x *Exchange) string {
				switch kind, _, _ := strings.Cut(strings.ToLower(x.Header.Get("Content-Type")), ";"); strings.TrimSpace(kind) {
				case "application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl":
					return ""
				}
				return fmt.Sprintf("Content-Type: %s", x.Header.Get("Content-Type"))
			}, forMultivariant, forPlaylist)},
		{ID: "MPD-CT", Level: Should, Says: "An MPD is application/dash+xml", Hurts: "Pages that choose a player by type do not recognize it", Clause: "ISO 23009-1 C", Fix: "Content-Type: application/dash+xml", exchange: on(func(x *Exchange) string {
			if !strings.HasPrefix(strings.ToLower(x.Header.Get("Content-Type")), "application/dash+xml") {
				return fmt.Sprintf("Content-Type: %s", x.Header.Get("Content-Type"))
			}
			return ""
		}, forMPD)},
		{ID: "PL-GZIP", Level: Should, Says: "Manifests are compressed for those who take it", Hurts: "A long live playlist costs ten times the bytes, at each reload", Clause: "8216bis 6.2.1; Apple authoring 10.1", Fix: "gzip for playlists and MPDs, not for media",
			exchange: on(func(x *Exchange) string {
				if x.Status == 200 && !x.Gzipped && x.Size > 1400 {
					return fmt.Sprintf("%d bytes, not compressed", x.Size)
				}
				return ""
			}, manifests...)},
		{ID: "HTTP-VARY", Level: Must, Says: "A compressed manifest says Vary: Accept-Encoding", Hurts: "Caches give compressed bytes to clients that cannot read them", Clause: "RFC 9110 12.5.5", Fix: "Vary: Accept-Encoding on both codings", exchange: on(func(x *Exchange) string {
			if vary := strings.ToLower(strings.Join(x.Header.Values("Vary"), ",")); x.Gzipped && !strings.Contains(vary, "accept-encoding") && vary != "*" {
				return "Content-Encoding: gzip without it"
			}
			return ""
		}, manifests...)},
		{ID: "HTTP-IDENTITY", Level: Must, Says: "Who does not take gzip does not get it", Hurts: "Simple players and caches see garbage", Clause: "RFC 9110 12.5.3", Fix: "Obey Accept-Encoding", exchange: on(func(x *Exchange) string {
			if x.Header.Get("Content-Encoding") != "" {
				return "asked for identity, got " + x.Header.Get("Content-Encoding")
			}
			return ""
		}, probeIdentity)},
		{ID: "HTTP-GZIP-SEG", Level: Should, Says: "Media is not compressed again", Hurts: "It costs CPU on both sides and breaks ranges", Clause: "Apple authoring 10.2", Fix: "Leave media types out of gzip", exchange: on(func(x *Exchange) string {
			if x.Gzipped {
				return x.For + " with Content-Encoding: gzip"
			}
			return ""
		}, media...)},
		{ID: "HTTP-CT-SEG", Level: Should, Says: "Media has a media type", Hurts: "Browsers and proxies sniff; some set-top boxes refuse it", Clause: "Apple authoring 10.4; CMAF 7", Fix: "video/mp4, audio/mp4, video/iso.segment, video/mp2t, text/vtt",
			exchange: on(func(x *Exchange) string {
				t := strings.ToLower(x.Header.Get("Content-Type"))
				if x.Status/100 == 2 && !strings.HasPrefix(t, "video/") && !strings.HasPrefix(t, "audio/") && !strings.HasPrefix(t, "text/vtt") && !strings.HasPrefix(t, "application/mp4") {
					return fmt.Sprintf("Content-Type: %s", t)
				}
				return ""
			}, media...)},
		{ID: "HTTP-CC-PL", Level: Must, Says: "A live playlist is not cached for longer than half a target duration", Hurts: "Everybody behind the cache sees a stale edge and stalls", Clause: "8216bis 6.2.1 (updates); Apple CDN guidance", Fix: "no-cache, or max-age of at most half the target duration; answers to blocking reloads may be kept",
			exchange: on(func(x *Exchange) string {
				if age := maxAge(x); x.Status == 200 && x.Live && x.Target > 0 && float64(age) > max(1, float64(x.Target)/2) {
					return fmt.Sprintf("max-age=%d, the target duration is %d", age, x.Target)
				}
				return ""
			}, forPlaylist)},
		{ID: "HTTP-CC-SEG", Level: Should, Says: "Media may be cached", Hurts: "A CDN fetches every segment for every viewer", Clause: "RFC 9111 5.2.2; Apple CDN guidance", Fix: "max-age of at least the window; a year and immutable where names are never used again",
			exchange: on(func(x *Exchange) string {
				if age := maxAge(x); x.Status/100 == 2 && age < 5 {
					return fmt.Sprintf("Cache-Control: %s", strings.Join(x.Header.Values("Cache-Control"), ", "))
				}
				return ""
			}, forSegment)},
		{ID: "HTTP-CC-404", Level: Should, Says: "An error is not cached", Hurts: "A 404 that came a moment early is served to everybody while the cache keeps it", Clause: "RFC 9110 15.5.5 (404 may be cached by default)", Fix: "Cache-Control: no-store, or max-age=1, on errors", exchange: func(x *Exchange) string {
			if age := maxAge(x); x.Status >= 400 && (age > 1 || age < 0 && x.Status != 400 && x.Status != 503) {
				return fmt.Sprintf("status %d with Cache-Control %q", x.Status, x.Header.Get("Cache-Control"))
			}
			return ""
		}},
		{ID: "HTTP-404", Level: Must, Says: "What does not exist is 404", Hurts: "Players feed an error page to the decoder, or retry for ever", Clause: "RFC 9110 15.5.5; 8216bis 6.2.1", Fix: "404 or 410 for unknown names, never 200 nor 5xx", exchange: on(status(404, 410, 403), probeMissing)},
		{ID: "HTTP-HEAD", Level: Should, Says: "HEAD is answered as GET, without the body", Hurts: "Monitors, CDNs and some players that look before they load fail", Clause: "RFC 9110 9.3.2", Fix: "Support HEAD on all objects", exchange: on(func(x *Exchange) string {
			n, err := strconv.ParseInt(x.Header.Get("Content-Length"), 10, 64)
			if x.Status == 200 && (err != nil || n == x.Whole) {
				return ""
			}
			return fmt.Sprintf("status %d, Content-Length %q; GET gave %d bytes", x.Status, x.Header.Get("Content-Length"), x.Whole)
		}, probeHead)},
		{ID: "HTTP-RANGE", Level: Should, Says: "Ranges of media are answered 206", Hurts: "Downloads cannot be resumed; players that ask for ranges load everything", Clause: "RFC 9110 14.2", Fix: "Support single byte ranges", exchange: on(func(x *Exchange) string {
			if x.Status == 206 && x.Size == min(10, x.Whole) {
				return ""
			}
			return fmt.Sprintf("asked for the first 10 bytes: status %d, %d bytes", x.Status, x.Size)
		}, probeRange)},
		{ID: "HTTP-REDIR", Level: Should, Says: "Media is served without redirects", Hurts: "Each segment costs two round trips", Clause: "Apple authoring 8.18", Fix: "Put final URLs into the playlist", exchange: on(func(x *Exchange) string {
			if x.Hops > 0 {
				return fmt.Sprintf("%d redirects", x.Hops)
			}
			return ""
		}, media...)},
		{ID: "HTTP-H2", Level: Should, Says: "Low-latency HLS comes over HTTP/2 or later", Hurts: "Safari silently plays at three target durations of latency; browsers run out of their six connections", Clause: "8216bis B.1", Fix: "Serve TLS with HTTP/2",
			exchange: on(func(x *Exchange) string {
				if x.List != nil && x.List.PartTarget > 0 && x.Live && x.Proto < 2 {
					return fmt.Sprintf("HTTP/%d", x.Proto)
				}
				return ""
			}, forPlaylist)},
	}
}

// missing returns the URL of a segment that does not exist, next to one that does.
func missing(segment string) string {
	u, err := url.Parse(segment)
	if err != nil {
		return segment + ".none"
	}
	dir, file := path.Split(u.Path)
	ext := path.Ext(file)
	u.Path, u.RawPath = dir+"no-such-segment-4096"+ext, ""
	return u.String()
}

package node

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"headwater.stream/api"
	"headwater.stream/ingest"
	"headwater.stream/internal/access"
	"headwater.stream/internal/control"
	"headwater.stream/locator"
	"headwater.stream/origin"
)

const guardedLocator = "44444444-2222-3333-4444-555555555555"

func guardKey(fill string) []byte { return []byte(strings.Repeat(fill, 32)) }

// guard makes the policy of the guarded locator; the first key is the primary one.
func guard(t *testing.T, keys ...[]byte) *access.Policy {
	t.Helper()
	r := &api.TokenRestriction{}
	for i, k := range keys {
		v := api.VerificationKey{ODataType: access.TypeSymmetric, KeyValue: base64.StdEncoding.EncodeToString(k)}
		if i == 0 {
			r.PrimaryVerificationKey = &v
		} else {
			r.AlternateVerificationKeys = append(r.AlternateVerificationKeys, v)
		}
	}
	p, err := access.New(r, guardedLocator)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ticket(t *testing.T, key []byte, id string, until time.Time) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": id, "exp": until.Unix()}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestTokens watches a locator that requires a token, with right and wrong ones, through a change of keys and past the end
// of a token.
func TestTokens(t *testing.T) {
	faults(t, func(r *faultRig) {
		key, next := guardKey("a"), guardKey("b")
		r.desired.Locators = append(r.desired.Locators, control.LocatorSpec{ID: guardedLocator, AssetID: "a", HLS: true, DASH: true, Access: guard(t, key)})
		r.apply()
		h := origin.NewHandler(origin.Options{Resolver: r.rt, Authorize: r.rt.Authorize})
		do := func(target string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
			return w
		}
		// A reload that is blocked when its token expires goes on to its answer.
		blocked := make(chan *httptest.ResponseRecorder, 1)
		brief := ""
		s := r.send(publisher{audio: 48000, beforeSend: func(_ ingest.Session, ms float64) {
			if ms < 20100 || brief != "" {
				return
			}
			brief = locator.WithToken("/"+guardedLocator+"/show.ism/v1/media.m3u8", ticket(t, key, guardedLocator, time.Now().Add(time.Second)))
			_, list := r.get("v1/media.m3u8")
			n := len(segmentNumber.FindAllString(list, -1))
			go func() { blocked <- do(fmt.Sprintf("%s?_HLS_msn=%d", brief, n)) }()
			synctest.Wait()
			if len(blocked) > 0 {
				t.Errorf("it did not block: %d", (<-blocked).Code)
			}
		}}, 23*time.Second)
		if w := <-blocked; w.Code != http.StatusOK {
			t.Errorf("the blocked reload: %d %s", w.Code, w.Body)
		}
		if w := do(brief); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "has expired") {
			t.Errorf("after its end: %d %s", w.Code, w.Body)
		}

		good := ticket(t, key, guardedLocator, time.Now().Add(time.Hour))
		base := "/" + guardedLocator + "/show.ism/"
		_, list := r.get("v1/media.m3u8")
		seg := segmentNumber.FindString(list)
		names := []string{"master.m3u8", "manifest(format=m3u8-cmaf)", "manifest.mpd", "v1/media.m3u8", "v1/media.m3u8?_HLS_msn=1", "v1/" + seg, "a1/media.m3u8"}

		// The same bytes for all, by the path and by the query; no byte of the token in them.
		for _, name := range names {
			_, want := r.get(name)
			withQuery := base + name + "?token=" + good
			if strings.Contains(name, "?") {
				withQuery = base + name + "&token=" + good
			}
			for _, target := range []string{locator.WithToken(base+name, good), withQuery} {
				w := do(target)
				if w.Code != http.StatusOK || w.Body.String() != want {
					t.Errorf("%s with a token: %d, %d bytes, want %d", name, w.Code, w.Body.Len(), len(want))
				}
			}
		}
		refusals := map[string]string{
			"": "no token was given",
			ticket(t, next, guardedLocator, time.Now().Add(time.Hour)): "not one that this locator accepts",
			ticket(t, key, faultLocator, time.Now().Add(time.Hour)):    "not one that this locator accepts",
			ticket(t, key, guardedLocator, time.Now()):                 "has expired",
			"a.b.c": "not one that this locator accepts",
		}
		for token, why := range refusals {
			for _, name := range names {
				w := do(locator.WithToken(base+name, token))
				head := w.Header()
				if w.Code != http.StatusForbidden || head.Get("Access-Control-Allow-Origin") != "*" || head.Get("Cache-Control") != "no-store" ||
					head.Get("X-Ms-Error-Code") != "MPE_UNAUTHORIZED" || !strings.Contains(w.Body.String(), why) {
					t.Errorf("%s, %q: %d %v %s", name, why, w.Code, head, w.Body)
				}
				if token != "" && strings.Contains(w.Body.String(), token) {
					t.Errorf("the answer repeats the token: %s", w.Body)
				}
			}
			// A cache that asks.
			if w := do("/auth" + locator.WithToken("/"+guardedLocator, token)); w.Code != http.StatusForbidden || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("asked about %q: %d %v", why, w.Code, w.Header())
			}
		}
		for target, want := range map[string]int{
			"/auth" + locator.WithToken("/"+guardedLocator, good): 204,
			"/auth/" + guardedLocator + "?token=" + good:          204,
			"/auth/" + guardedLocator:                             403,
			"/auth/" + faultLocator:                               204,
			"/auth/" + faultPreview:                               204,
			"/auth/99999999-2222-3333-4444-555555555555":          403,
			"/auth/watch":                204,
			"/auth/":                     204,
			"/auth/../" + guardedLocator: 204, // the origin refuses what that is
			locator.WithToken("/"+faultLocator+"/show.ism/master.m3u8", "a.b.c"): 200, // nobody asks for it
		} {
			if w := do(target); w.Code != want {
				t.Errorf("%.60s: %d, want %d", target, w.Code, want)
			}
		}

		// Another key, without shutting anybody out.
		later := ticket(t, next, guardedLocator, time.Now().Add(time.Hour))
		for _, step := range []struct {
			keys         [][]byte
			byOld, byNew int
		}{{[][]byte{key}, 200, 403}, {[][]byte{next, key}, 200, 200}, {[][]byte{next}, 403, 200}} {
			r.desired.Locators[1].Access = guard(t, step.keys...)
			r.apply()
			if old, new := do(locator.WithToken(base+"master.m3u8", good)).Code, do(locator.WithToken(base+"master.m3u8", later)).Code; old != step.byOld || new != step.byNew {
				t.Errorf("with %d keys: %d by the old one, %d by the new one", len(step.keys), old, new)
			}
		}
		r.desired.Locators[1].Access = nil
		r.apply()
		if w := do(base + "master.m3u8"); w.Code != http.StatusOK {
			t.Errorf("open to everybody: %d", w.Code)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSecrets is case 69 of the acceptance list: after a whole run with everything that goes wrong in it, no log line, no
// metric, no error, no playlist, no debug page and no file of a recording has a stream key, an access token or a bearer
// token in it. (The control API shows the ingest URL to who may read it, as AMS does.)
func TestSecrets(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t, "--log-level", "debug")
	c := NewChannel(t, d, "show")
	const key = "s3cr3t-stream-key"
	access := c.Ingest[strings.LastIndexByte(c.Ingest, '/')+1:]
	bearer := strings.TrimSpace(readFile(t, filepath.Join(d.Dir, "control.token")))
	var made struct{ Properties struct{ Token string } }
	decode(t, d.CLI(t, "token", "create", "alice", "--role", "reader", "--json"), &made)
	secrets := map[string]string{
		"stream key": key, "access token": access, "access token with hyphens": access[:8] + "-" + access[8:12] + "-" + access[12:16] + "-" + access[16:20] + "-" + access[20:],
		"control token": bearer, "reader's token": made.Properties.Token,
	}
	seen := map[string]string{}
	ask := func(method, url, authorization, body string) {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		resp, err := (&http.Client{Timeout: 20 * time.Second, Transport: anyCertificate}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		head, err := json.Marshal(resp.Header)
		if err != nil {
			t.Fatal(err)
		}
		seen[method+" "+strings.NewReplacer(access, "ACCESS", bearer, "BEARER").Replace(url)] += string(head) + string(b)
	}
	account := d.Control + "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/headwater/providers/Microsoft.Media/mediaservices/headwater"

	// Encoders: one that is taken, one with a wrong token, one that does not speak RTMP, one that comes when it is stopped.
	encoder := Publish(t, c.Ingest+"/"+key, "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 2*time.Second, 30*time.Second)
	wrong := Publish(t, d.RTMP+"/live/00000000000000000000000000000000/"+key, "../../testdata/demo.flv", false)
	conn, err := tls.Dial("tcp", host(d.RTMP), &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_ = conn.Close()
		t.Error("the RTMP listener spoke TLS")
	}
	_ = waitFor(10*time.Second, func() bool { return closed(wrong.done) })

	// Viewers and callers, right and wrong.
	for _, u := range []string{HLS(c.Public), DASH(c.Public), HLS(c.Preview), c.Public + "v1/media.m3u8", c.Public + "v1/seg-1-1.m4s", c.Public + "none", d.Origin + "/", d.Origin + "/debug/pprof/", d.Origin + "/metrics",
		d.Origin + "/stats", d.Origin + "/live/" + access, d.Origin + "/watch/", d.Control + "/debug/pprof/", d.Control + "/debug/vars", d.Control + "/healthz", d.Control + "/readyz", d.Control + "/metrics"} {
		ask("GET", u, "", "")
	}
	for _, authorization := range []string{"Bearer " + bearer, "Bearer " + made.Properties.Token} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/stat", "/openapi.json"} {
			ask("GET", d.Control+path, authorization, "")
		}
		for _, path := range []string{"/accessTokens", "/accessTokens/alice", "/assets", "/streamingLocators", "/streamingEndpoints"} {
			ask("GET", account+path+"?api-version=2022-08-01", authorization, "")
		}
		ask("PUT", account+"/liveEvents/other?api-version=2022-08-01", authorization, `{"location":"local","properties":{"input":{"streamingProtocol":"RTMP","accessToken":"`+access+`"}}}`)
		ask("PATCH", account+"/liveEvents/show?api-version=2022-08-01", authorization, `{"properties":{"input":{"accessToken":"`+strings.Repeat("0", 32)+`"}}}`)
		ask("POST", account+"/liveEvents/show/start?api-version=2022-08-01", authorization, "")
	}
	ask("GET", account+"/assets?api-version=2022-08-01", "Bearer "+bearer[:63]+"x", "")
	ask("GET", account+"/assets?api-version=2022-08-01&access_token="+bearer, "", "")
	for _, words := range [][]string{{"event", "delete", "show"}, {"event", "start", "show"}, {"asset", "delete", c.Asset}, {"event", "create", "other", "--access-token", access}} {
		out, err := d.Try(words...)
		if err == nil {
			t.Errorf("%v succeeded: %s", words, out)
			continue
		}
		seen["headwater "+strings.Join(words[:2], " ")] = strings.ReplaceAll(err.Error(), "--access-token "+access, "") // its own command line
	}
	d.Kill(t)
	_ = waitFor(10*time.Second, func() bool { return closed(encoder.done) })
	d.Start(t)
	d.CLI(t, "event", "stop", "show", "--remove-outputs")
	refused := Publish(t, c.Ingest+"/"+key, "../../testdata/demo.flv", false)
	_ = waitFor(10*time.Second, func() bool { return closed(refused.done) })
	for _, u := range []string{HLS(c.Public), DASH(c.Public), c.Public + "v1/media.m3u8"} {
		ask("GET", u, "", "")
	}
	d.Stop(t)
	seen["log"] = d.log.String()
	err = filepath.WalkDir(filepath.Join(d.Dir, "assets"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			seen["file "+e.Name()] += readFile(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(seen["log"], "control change") || !strings.Contains(seen["log"], "publisher refused") || len(seen) < 40 {
		t.Errorf("the run was not whole: %d sources\n%s", len(seen), seen["log"])
	}
	for where, text := range seen {
		for what, secret := range secrets {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s: the %s: …%s", where, what, text[max(0, at-120):at+len(secret)])
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

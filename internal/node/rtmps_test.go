package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headwater.stream/api"
)

// TestIngestEndpoints publishes with ffmpeg to each of the addresses that AMS had (ams-v3 §3.1): RTMP and RTMPS, primary and
// secondary, as the event's endpoints name them; and with our own publisher, which verifies the node's own certificate.
func TestIngestEndpoints(t *testing.T) {
	dir := t.TempDir()
	r := startWith(t, dir, Config{RTMPSecondary: "127.0.0.1:0", RTMPTLS: TLSSelf, RTMPSListen: "127.0.0.1:0", RTMPSSecondary: "127.0.0.1:0"})
	defer r.end()
	ctx := t.Context()
	const preview = "11111111-2222-3333-4444-555555555555"
	e, err := r.client.CreateLiveEvent(ctx, "ev", &api.LiveEvent{Tracked: api.Tracked{Location: "local"},
		Properties: api.LiveEventProperties{Input: &api.LiveEventInput{StreamingProtocol: "RTMP", KeyFrameIntervalDuration: "PT1S"}, Preview: &api.LiveEventPreview{PreviewLocator: preview}},
	}, api.WriteOptions{AutoStart: true})
	if err != nil {
		t.Fatal(err)
	}
	ends := e.Properties.Input.Endpoints
	if len(ends) != 4 {
		t.Fatalf("endpoints %+v", ends)
	}
	segments := func() int {
		_, body := r.get("/" + preview + "/preview.ism/v1/media.m3u8")
		return strings.Count(body, "#EXTINF")
	}
	own := filepath.Join(dir, certificateName)
	for i, scheme := range []string{"rtmp://", "rtmp://", "rtmps://", "rtmps://"} {
		url := ends[i].URL
		if ends[i].Protocol != "RTMP" || !strings.HasPrefix(url, scheme) {
			t.Fatalf("endpoint %d: %+v", i, ends[i])
		}
		before := segments()
		args := []string{"-nostdin", "-v", "warning", "-t", "4", "-i", "../../testdata/demo.flv", "-c", "copy", "-f", "flv"}
		if scheme == "rtmps://" {
			args = append(args, "-tls_verify", "1", "-ca_file", own)
		}
		bound, cancel := context.WithTimeout(ctx, 30*time.Second)
		out, err := exec.CommandContext(bound, "ffmpeg", append(args, url+"/main")...).CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("ffmpeg to %s: %v\n%s", scheme, err, out)
		}
		r.until("media from "+url, func() bool { return segments() >= before+2 })
	}

	cert, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	before := segments()
	sending, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- Publish(sending, "../../testdata/demo.flv", ends[2].URL+"/main", true, &tls.Config{RootCAs: roots}, slog.New(slog.DiscardHandler))
	}()
	r.until("media from our own publisher", func() bool { return segments() > before })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	// TLS 1.1 is refused (ams-v3 §3.1).
	_, err = tls.Dial("tcp", strings.TrimPrefix(r.ready.Ingest[2], "rtmps://"), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if status, _ := r.get("/" + preview + "/preview.ism/master.m3u8"); status != http.StatusOK {
		t.Errorf("preview: %d", status)
	}
}

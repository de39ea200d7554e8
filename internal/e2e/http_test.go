package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Response is an answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// anyCertificate takes what a daemon signed itself.
var anyCertificate = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8}

// fetch gets a URL; redirects are not followed, because media requests are never redirected. Headers are
// name, value, name, value, ….
func fetch(u string, headers ...string) (Response, error) {
	c := http.Client{
		Timeout:       20 * time.Second,
		Transport:     anyCertificate,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		return Response{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Response{}, fmt.Errorf("GET %s: %w", u, err)
	}
	return Response{res.StatusCode, res.Header, body}, nil
}

// get gets what must be there.
func get(t *testing.T, u string) Response {
	t.Helper()
	r, err := fetch(u)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", u, r.Status, r.Body)
	}
	return r
}

// status returns the status of a GET, 0 when there was no answer.
func status(u string) int {
	r, err := fetch(u)
	if err != nil {
		return 0
	}
	return r.Status
}

// resolve resolves a reference against a base URL.
func resolve(t *testing.T, base, ref string) string {
	t.Helper()
	b, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

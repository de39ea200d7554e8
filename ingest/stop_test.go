package ingest_test

import (
	"context"
	"net"
	"testing"
	"time"

	"headwater.stream/ingest"
)

// TestStoppedAtOnce: a server that is stopped before it has begun to serve ends.
func TestStoppedAtOnce(t *testing.T) {
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		done := make(chan error, 1)
		go func() { done <- (&ingest.Server{}).Serve(ctx, l) }()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it does not end")
		}
	}
}

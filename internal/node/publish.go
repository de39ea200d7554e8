package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"headwater.stream/ingest"
)

// Publish plays an FLV or MP4 file to an RTMP server in real time, over and over if loop is set, and connects again when the
// connection is lost. For rtmps, trusted may name more certificates than the system trusts. It returns nil when the file or ctx
// has ended.
func Publish(ctx context.Context, file, url string, loop bool, trusted *tls.Config, log *slog.Logger) error {
	src, err := ingest.OpenSource(file)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	err = ingest.Publish(ctx, url, src, ingest.PublishOptions{Loop: loop, Reconnect: true, TLS: trusted, Log: log})
	return errors.Join(err, src.Close())
}

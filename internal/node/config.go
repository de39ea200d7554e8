package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Config says how a node runs. The zero value of a field without a default is not valid.
type Config struct {
	DataDir       string // where state, assets and spools are; made with mode 0700 if it does not exist
	OriginListen  string // address of the HTTP listener for viewers, "host:port"; port 0: one that is free. Default ":8080"
	ControlListen string // address of the HTTP listener of the control API. Default "127.0.0.1:8081"
	RTMPListen    string // address of the RTMP listener for encoders. Default ":1935"
	RTMPSecondary string // address of a second RTMP listener, which takes the same streams; "": none. AMS: ":1936"
	PublicHost    string // host name or address under which encoders and viewers reach this node; in URLs handed out. Default "127.0.0.1"
	ReadyFile     string // written, atomically, when everything listens; "": none but <DataDir>/ready.json

	// OriginTLS, ControlTLS and RTMPTLS say where the certificate of a listener comes from: "": none, no TLS; "self": one is made
	// and kept in DataDir; "acme": one is got for PublicHost; "CERT,KEY": files, read again when they change.
	OriginTLS, ControlTLS, RTMPTLS string
	HTTP3                          bool   // for viewers too, on the UDP port of OriginListen; needs OriginTLS
	ACMEDirectory                  string // URL of the ACME directory; "": Let's Encrypt

	RTMPSListen    string // address of the RTMPS listener, if RTMPTLS is given. Default ":2935"
	RTMPSSecondary string // address of a second one; "": none. AMS: ":2936"

	TrustForwarded bool   // believe X-Forwarded-Proto and -Host of a TLS terminator in front of the control API
	Quotas         string // "generous" (default) or "ams"

	SyncInterval   time.Duration // how often recorded bytes are forced to disk: what a power loss may cost; 0: before each part is announced
	AssetRetention time.Duration // for which assets are kept after their recordings ended; 0: for ever
	InputLost      time.Duration // without a sample, after which an event reports that its input is lost. Default 10 s
	PreviewSpan    time.Duration // media that a preview lists, at least. Default 60 s

	// What recordings leave free of the disk, but never more than a twentieth of it, and may take of it, in bytes: each asset
	// and all together. 0: no limit. What does not fit is recorded as a gap.
	ArchiveMinFree, AssetQuota, ArchiveQuota int64

	WebhookAllow []netip.Prefix // addresses that are not public and webhooks may connect to

	Storyboard string // what makes posters and storyboards of recordings: "auto" (default), an ffmpeg in PATH if there is one; "off"; or its path

	Admission Admission

	// Sockets are listeners that somebody opened for this node and keeps open over its restarts (systemd's socket activation). Each
	// is taken in place of the address above that it has; one that has none is an error.
	Sockets []net.Listener
	// Ready and Stopping, if not nil, are called when everything listens and when the node begins to stop.
	Ready, Stopping func()

	Log *slog.Logger // nil: slog.Default
}

// Defaults of Config.
const (
	DefaultOriginListen  = ":8080"
	DefaultControlListen = "127.0.0.1:8081"
	DefaultRTMPListen    = ":1935"
	DefaultRTMPSListen   = ":2935"
	DefaultPublicHost    = "127.0.0.1"
	DefaultSyncInterval  = time.Second
	DefaultInputLost     = 10 * time.Second
	DefaultPreviewSpan   = 60 * time.Second

	DefaultArchiveMinFree = 512 << 20
)

// withDefaults fills in the defaults and checks what can be checked without the system.
func (c Config) withDefaults() (Config, error) {
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def(&c.OriginListen, DefaultOriginListen)
	def(&c.ControlListen, DefaultControlListen)
	def(&c.RTMPListen, DefaultRTMPListen)
	if c.RTMPTLS == "" {
		c.RTMPSListen, c.RTMPSSecondary = "", ""
	} else {
		def(&c.RTMPSListen, DefaultRTMPSListen)
	}
	def(&c.PublicHost, DefaultPublicHost)
	if c.InputLost == 0 {
		c.InputLost = DefaultInputLost
	}
	if c.PreviewSpan == 0 {
		c.PreviewSpan = DefaultPreviewSpan
	}
	c.Sockets = slices.Clone(c.Sockets) // which are crossed off as they are taken
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.HTTP3 && c.OriginTLS == "" {
		return c, errors.New("HTTP/3 needs TLS for viewers")
	}
	var err error
	if c.Admission, err = c.Admission.withDefaults(); err != nil {
		return c, err
	}
	if c.DataDir == "" {
		return c, errors.New("no data directory given")
	}
	if c.SyncInterval < 0 || c.InputLost < 0 || c.AssetRetention < 0 || c.PreviewSpan < 10*time.Second {
		return c, errors.New("the sync interval and the input's must not be negative, the preview span not below 10 s")
	}
	if c.ArchiveMinFree < 0 || c.AssetQuota < 0 || c.ArchiveQuota < 0 {
		return c, errors.New("the reserve and the quotas of the disk must not be negative")
	}
	for _, a := range []string{c.OriginListen, c.ControlListen, c.RTMPListen, c.RTMPSecondary, c.RTMPSListen, c.RTMPSSecondary} {
		if a == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a); err != nil {
			return c, fmt.Errorf("listen address %q: %w", a, err)
		}
	}
	return c, nil
}

// Package node wires the parts of Headwater into one running process: configuration to values, values to goroutines, and an
// ordered shutdown. It is the only package that knows all others, and the only one that reads the clock.
package node

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"headwater.stream/api"
	"headwater.stream/archive/fsstore"
	"headwater.stream/ingest"
	"headwater.stream/internal/console"
	"headwater.stream/internal/control"
	"headwater.stream/internal/hook"
	"headwater.stream/internal/journal"
	"headwater.stream/internal/state/boltstate"
	"headwater.stream/internal/watch"
	"headwater.stream/origin"
)

// shutdownBound is how long requests under way may take to end when the node stops.
const shutdownBound = 3 * time.Second

// maxControlHeader is how long the header of a control request may be: tokens of directories have kilobytes, and one that is
// too long gets its 401 in the envelope.
const maxControlHeader = 64 << 10

// ReadyName is the file in the data directory that says where a running node listens.
const ReadyName = "ready.json"

// Ready is what the ready file says.
type Ready struct {
	Origin    string   `json:"origin"`    // "http://host:port", or https
	Control   string   `json:"control"`   // "http://host:port", or https
	RTMP      string   `json:"rtmp"`      // "rtmp://host:port"
	Ingest    []string `json:"ingest"`    // the same, the secondary one, and those of RTMPS
	TokenFile string   `json:"tokenFile"` // path of the control API's token
	// ControlName is the host name in the certificate of the control API where it is not that of Control.
	ControlName string `json:"controlName,omitempty"`
}

// Run runs a node until ctx ends, then stops it in order: control, publishers, open segments, viewers, recordings (which resume at the
// next start), state. It returns nil when ctx ended it and everything was put down whole.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	n, err := open(cfg)
	if err != nil {
		return err
	}
	err = n.serve(ctx)
	return errors.Join(err, n.close())
}

// node is a running node.
type node struct {
	cfg     Config
	state   *boltstate.Store
	spools  *fsstore.Store
	assets  *fsstore.Store
	staging *fsstore.Store // of assets that are being made of others
	metrics *metrics
	journal *journal.Journal
	hooks   *hook.Manager
	runtime *runtime
	control *control.Service
	ingest  *ingest.Server
	token   string
	ready   Ready
	applied chan struct{} // closed when what should run was made to run for the first time

	origin, api net.Listener
	quic        net.PacketConn // of viewers over HTTP/3; nil: none
	quicTLS     *tls.Config
	rtmp        []net.Listener // RTMP and RTMPS, in the order of Ready.Ingest
	viewers     *origin.Gate
	stopOutputs context.CancelFunc
}

// open opens everything but serves nothing.
func open(cfg Config) (n *node, err error) {
	n = &node{cfg: cfg, metrics: newMetrics(), applied: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return n, fmt.Errorf("data directory: %w", err)
	}
	if n.state, err = boltstate.Open(filepath.Join(cfg.DataDir, stateName)); err != nil {
		return n, err
	}
	var tokenFile string
	if n.token, tokenFile, err = loadToken(cfg.DataDir); err != nil {
		return n, err
	}
	opt := fsstore.Options{Sync: cfg.SyncInterval, Log: cfg.Log}
	if n.spools, err = fsstore.New(filepath.Join(cfg.DataDir, "events"), opt); err != nil {
		return n, err
	}
	if n.assets, err = fsstore.New(filepath.Join(cfg.DataDir, "assets"), opt); err != nil {
		return n, err
	}
	if n.staging, err = fsstore.New(filepath.Join(cfg.DataDir, "staging"), opt); err != nil {
		return n, err
	}
	clock := newClock()
	if n.journal, err = journal.Open(filepath.Join(cfg.DataDir, "journal"), journal.Options{Now: clock.now, Log: cfg.Log}); err != nil {
		return n, err
	}
	certs := &certificates{cfg: cfg, now: clock.now()}
	originTLS, err := certs.config("origin", cfg.OriginTLS, "h2", "http/1.1")
	if err != nil {
		return n, err
	}
	controlTLS, err := certs.config("control", cfg.ControlTLS, "h2", "http/1.1")
	if err != nil {
		return n, err
	}
	quotas, err := control.QuotasNamed(cfg.Quotas)
	if err != nil {
		return n, err
	}
	if err := n.listen(); err != nil {
		return n, err
	}
	if err := n.listenRTMP(certs); err != nil {
		return n, err
	}
	if err := n.allTaken(); err != nil {
		return n, err
	}
	n.ready = Ready{
		Origin:    n.public(scheme(originTLS), n.origin),
		Control:   scheme(controlTLS) + "://" + local(n.api),
		RTMP:      n.ready.Ingest[0],
		Ingest:    n.ready.Ingest,
		TokenFile: tokenFile,
	}
	if cfg.ControlTLS != "" && cfg.ControlTLS != TLSSelf {
		n.ready.ControlName = cfg.PublicHost
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stopOutputs = cancel
	n.viewers = origin.NewGate(origin.Admission{Connections: cfg.Admission.Viewers, PerAddress: cfg.Admission.ViewersAddress, Plain: originTLS == nil}, n.metrics.origin)
	if cfg.HTTP3 {
		if n.quic, err = net.ListenPacket("udp", n.origin.Addr().String()); err != nil {
			return n, fmt.Errorf("origin listener for HTTP/3: %w", err)
		}
		n.quicTLS = originTLS
	}
	n.origin = n.viewers.Listener(n.origin)
	if originTLS != nil {
		n.origin = tls.NewListener(n.origin, originTLS)
	}
	if controlTLS != nil {
		n.api = tls.NewListener(n.api, controlTLS)
	}
	n.runtime = newRuntime(ctx, clock, n.spools, n.assets, n.metrics, cfg)
	if n.hooks, err = hook.New(filepath.Join(cfg.DataDir, "webhooks"), n.journal, hook.Options{Source: api.DefaultAccount().ResourceID(), Allow: cfg.WebhookAllow, Now: clock.now, Log: cfg.Log}); err != nil {
		return n, err
	}
	n.runtime.hooks = &webhooks{n.hooks}
	n.runtime.journal, n.runtime.ingest = n.journal, n.ready.RTMP+"/"+ingestApp
	if n.runtime.staging, err = openStaging(n.staging, n.assets); err != nil {
		return n, err
	}
	n.metrics.watch(n.runtime)
	n.metrics.follow(n.journal, n.hooks)
	n.control, err = control.New(n.state, &firstApply{runtime: n.runtime, done: n.applied}, control.Options{
		IngestBases: n.ready.Ingest, OriginBase: n.ready.Origin, DataDir: cfg.DataDir, Journal: n.journal, Webhooks: webhooks{n.hooks}, Audiences: n.runtime, Archive: &recordings{n.assets, n.staging}, Pictures: n.runtime.gallery.off == nil, AssetRetention: cfg.AssetRetention, Quotas: quotas, Log: cfg.Log,
	})
	return n, err
}

func (n *node) listen() (err error) {
	for _, l := range []struct {
		at   *net.Listener
		addr string
		what string
	}{{&n.origin, n.cfg.OriginListen, "origin"}, {&n.api, n.cfg.ControlListen, "control"}} {
		if *l.at, err = n.listenAt(l.addr); err != nil {
			return fmt.Errorf("%s listener: %w", l.what, err)
		}
	}
	return nil
}

// listenRTMP opens the listeners for encoders. All lead to the same events.
func (n *node) listenRTMP(certs *certificates) error {
	secure, err := certs.config("RTMPS", n.cfg.RTMPTLS)
	if err != nil {
		return err
	}
	for _, e := range []struct {
		scheme, addr string
		secure       *tls.Config
	}{{"rtmp", n.cfg.RTMPListen, nil}, {"rtmp", n.cfg.RTMPSecondary, nil}, {"rtmps", n.cfg.RTMPSListen, secure}, {"rtmps", n.cfg.RTMPSSecondary, secure}} {
		if e.addr == "" {
			continue
		}
		l, err := n.listenAt(e.addr)
		if err != nil {
			return fmt.Errorf("%s listener: %w", strings.ToUpper(e.scheme), err)
		}
		n.ready.Ingest = append(n.ready.Ingest, n.public(e.scheme, l))
		if e.secure != nil {
			l = tls.NewListener(l, e.secure)
		}
		n.rtmp = append(n.rtmp, l)
	}
	return nil
}

func scheme(secure *tls.Config) string {
	if secure != nil {
		return "https"
	}
	return "http"
}

// defaultPorts are those that a URL for viewers need not name; ingest URLs name theirs, as those of AMS do.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// public returns the URL of a listener as the world sees it.
func (n *node) public(scheme string, l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	host := net.JoinHostPort(n.cfg.PublicHost, port)
	if port == defaultPorts[scheme] {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return scheme + "://" + host
}

// local returns the address of a listener as this machine sees it.
func local(l net.Listener) string {
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// serve runs everything until ctx ends or a part fails.
func (n *node) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	log := n.cfg.Log
	var wg sync.WaitGroup
	spawn := func(what string, f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	viewers, dropViewers := context.WithCancel(context.WithoutCancel(ctx))
	defer dropViewers()
	handler := n.originHandler()
	var quicServer *origin.QUIC
	if n.quic != nil {
		quicServer = origin.NewQUIC(viewers, handler, n.quicTLS, n.viewers)
		_, port, _ := net.SplitHostPort(n.quic.LocalAddr().String())
		handler = origin.Announce(handler, port)
	}
	originServer := origin.NewServer(handler)
	originServer.ConnState = n.viewers.ConnState
	originServer.BaseContext = func(net.Listener) context.Context { return viewers }
	leaving, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	apiServer := origin.NewServer(n.controlHandler(leaving))
	apiServer.RegisterOnShutdown(leave)
	apiServer.MaxHeaderBytes = maxControlHeader
	originServer.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // what strangers' connections get wrong
	apiServer.ErrorLog = originServer.ErrorLog
	front := origin.NewFront(originServer)
	controlCtx, stopControl := context.WithCancel(context.WithoutCancel(ctx))
	defer stopControl()
	publishers, stopPublishers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPublishers()
	n.ingest = &ingest.Server{Gate: n.runtime, Log: log}
	journalCtx, stopJournal := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJournal()
	written := make(chan error, 1)
	go func() { written <- n.journal.Run(journalCtx) }()

	spawn("control", func() error { return n.control.Run(controlCtx) })
	select {
	case <-n.applied:
	case <-ctx.Done():
	}
	spawn("origin listener", func() error { return ignoreClosed(front.Serve(n.origin)) })
	if quicServer != nil {
		spawn("origin listener for HTTP/3", func() error { return ignoreClosed(quicServer.Serve(n.quic)) })
	}
	spawn("control listener", func() error { return ignoreClosed(apiServer.Serve(n.api)) })
	spawn("replays", func() error { n.runtime.rest(publishers); return nil })
	spawn("heartbeats", func() error { n.runtime.beat(publishers); return nil })
	for _, l := range n.rtmp {
		spawn("RTMP listener", func() error { return n.ingest.Serve(publishers, l) })
	}
	if ctx.Err() == nil {
		if err := n.becomeReady(publishers, spawn); err != nil {
			cancel(err)
		} else {
			log.Info("ready", "origin", n.ready.Origin, "control", n.ready.Control, "console", n.ready.Control+console.Root, "rtmp", n.ready.Ingest, "data", n.cfg.DataDir)
			if n.cfg.Ready != nil {
				n.cfg.Ready()
			}
		}
	}
	<-ctx.Done()
	log.Info("stopping")
	if n.cfg.Stopping != nil {
		n.cfg.Stopping()
	}
	stopPublishers()
	errs := []error{shutdown(ctx, apiServer)}
	stopControl()
	// Viewers come before what they are served from: nobody who was let in may find it gone.
	n.runtime.halt()
	servers := []stoppable{front}
	if quicServer != nil {
		servers = append(servers, quicServer)
	}
	errs = append(errs, shutdown(ctx, servers...))
	dropViewers()
	errs = append(errs, n.runtime.close())
	wg.Wait()
	errs = append(errs, n.hooks.Close()) // what has not been delivered is at the next start
	stopJournal()
	errs = append(errs, <-written)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		errs = append(errs, cause)
	}
	return errors.Join(errs...)
}

// stoppable is a server.
type stoppable interface {
	Shutdown(context.Context) error
	Close() error
}

// shutdown lets the requests under way end within shutdownBound and cuts off the rest: a slow download, or a connection
// that a browser opened ahead of need, is no failure.
func shutdown(ctx context.Context, servers ...stoppable) error {
	bound, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownBound)
	defer done()
	ended := make(chan error, len(servers))
	for _, s := range servers {
		go func() {
			err := s.Shutdown(bound)
			if errors.Is(err, context.DeadlineExceeded) {
				err = s.Close()
			}
			ended <- err
		}()
	}
	var errs []error
	for range servers {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// close closes what open opened.
func (n *node) close() error {
	var errs []error
	if n.stopOutputs != nil {
		n.stopOutputs()
	}
	for _, l := range slices.Concat([]net.Listener{n.origin, n.api}, n.rtmp, n.cfg.Sockets) {
		if l != nil {
			_ = l.Close() // the servers have closed theirs
		}
	}
	if n.quic != nil {
		_ = n.quic.Close()
	}
	if n.spools != nil {
		errs = append(errs, n.spools.Close())
	}
	if n.assets != nil {
		errs = append(errs, n.assets.Close())
	}
	if n.staging != nil {
		errs = append(errs, n.staging.Close())
	}
	if n.state != nil {
		errs = append(errs, n.state.Close())
	}
	return errors.Join(errs...)
}

func (n *node) writeReady() error {
	b, err := json.MarshalIndent(n.ready, "", "  ")
	if err != nil {
		return fmt.Errorf("ready file: %w", err)
	}
	b = append(b, '\n')
	err = writeFile(filepath.Join(n.cfg.DataDir, ReadyName), b, 0o600)
	if n.cfg.ReadyFile == "" {
		return err
	}
	return errors.Join(err, writeFile(n.cfg.ReadyFile, b, 0o644))
}

// readyRetry is how often the ready file is tried again that a disk did not take.
const readyRetry = time.Second

// becomeReady writes the ready file. A disk that takes nothing keeps no viewer and no encoder out: the file, of which nobody is
// to read an old one, follows when it is well.
func (n *node) becomeReady(ctx context.Context, spawn func(string, func() error)) error {
	err := n.writeReady()
	if err != nil && !refused(err) {
		return err
	}
	if err != nil {
		n.cfg.Log.Error("the ready file cannot be written; it is tried again", "err", err)
		_ = os.Remove(filepath.Join(n.cfg.DataDir, ReadyName))
		spawn("ready file", func() error {
			t := time.NewTicker(readyRetry)
			defer t.Stop()
			for n.writeReady() != nil {
				select {
				case <-t.C:
				case <-ctx.Done():
					return nil
				}
			}
			return nil
		})
	}
	return nil
}

// refused reports whether an error is the disk's, and may pass.
func refused(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// originHandler serves viewers: the watch page under /watch/, everything else is a public path.
func (n *node) originHandler() http.Handler {
	media := origin.NewHandler(origin.Options{Resolver: n.runtime, Authorize: n.runtime.Authorize, Metrics: n.metrics.origin, MaxWaiting: n.cfg.Admission.Waiting, Now: n.runtime.clock.now, Log: n.cfg.Log})
	page := watch.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/watch" || strings.HasPrefix(r.URL.Path, "/watch/") {
			page.ServeHTTP(w, r)
			return
		}
		media.ServeHTTP(w, r) // not through a ServeMux, which would redirect odd paths
	})
}

// controlHandler serves the control API, the metrics and events behind the same token, and the console. What consoles wait for,
// and streams of events, end with leaving.
func (n *node) controlHandler(leaving context.Context) http.Handler {
	tokens := api.AnyToken(api.SingleToken(n.token), n.control.CheckToken)
	metrics := promhttp.HandlerFor(n.metrics.registry, promhttp.HandlerOpts{})
	events := &journal.Handler{Journal: n.journal, Source: api.DefaultAccount().ResourceID(), Done: leaving.Done()}
	control := api.Handler(n.control, api.HandlerOptions{Tokens: tokens, Ready: n.control.Ready, Metrics: metrics, Events: events, Profile: profiles(), Backup: http.HandlerFunc(n.backup), TrustForwarded: n.cfg.TrustForwarded, Log: n.cfg.Log})
	return n.withConsole(control, tokens, leaving)
}

// firstApply tells when the first Apply has returned.
type firstApply struct {
	*runtime
	once sync.Once
	done chan struct{}
}

// Apply implements control.Runtime.
func (f *firstApply) Apply(ctx context.Context, d control.Desired) map[string]error {
	defer f.once.Do(func() { close(f.done) })
	return f.runtime.Apply(ctx, d)
}

var _ control.Runtime = (*firstApply)(nil)

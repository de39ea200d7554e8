package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/yutopp/go-rtmp"
	rtmpmsg "github.com/yutopp/go-rtmp/message"

	"headwater.stream/internal/media"
)

const (
	maxStreams    = 4        // message streams the library may open, the control stream included: its search is O(n²)
	minAckWindow  = 64 << 10 // smaller windows would make us answer more than we read
	ourAckWindow  = 2_500_000
	libraryBuffer = 4 << 10
)

var (
	errWrite    = errors.New("the encoder does not take our answers")
	errUnasked  = errors.New("too many messages before publish")
	errSequence = errors.New("command out of sequence")
	errPanic    = errors.New("panic")
)

// conn is one connection: go-rtmp's handler and the guard's. Everything but kick runs on one goroutine.
type conn struct {
	rtmp.DefaultHandler

	srv      *Server
	limits   *Limits
	nc       net.Conn
	remote   netip.AddrPort
	tls      bool
	guard    *guard
	lib      *rtmp.Conn // set by OnServe
	ctx      context.Context
	cancel   context.CancelFunc
	counters Counters
	onEnd    func()

	// From connect and createStream.
	connected       bool
	app, appQuery   string
	encoder         string
	early           int              // messages before publish
	streams, used   [maxStreams]bool // message streams created; used by a publish
	window          uint64           // acknowledgement window the peer asked for, 0: none
	acked           uint64           // bytes acknowledged
	told            bool             // a last status was sent
	cause           error            // why it ended, if we know better than the socket
	everPublished   bool
	libraryComplain string

	// From publish.
	stream  uint32
	session Session
	demux   *demuxer

	mu     sync.Mutex // guards the fields below
	epoch  uint64     // counts publishes, so that an old Kick cannot end a new one
	reason *Refusal   // of the first kick
}

var _ rtmp.Handler = (*conn)(nil)

func newConn(ctx context.Context, srv *Server, limits *Limits, nc net.Conn, onEnd func()) *conn {
	c := &conn{srv: srv, limits: limits, nc: nc, onEnd: onEnd}
	c.ctx, c.cancel = context.WithCancel(ctx)
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		c.remote = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	c.tls = isTLS(nc)
	c.guard = newGuard(nc, limits, &c.counters, c.handle)
	c.guard.failed = c.readFailed
	c.guard.closed = c.ended
	return c
}

// OnServe is called after the handshake. From here on the library's writer may be used on this goroutine.
func (c *conn) OnServe(lib *rtmp.Conn) {
	c.lib = lib
	s := lib.GetChunkStreamer()
	// Before anything is written, because the library's writing goroutine reads it.
	_ = s.SelfState().SetChunkSize(c.limits.AnnounceChunkSize)
	// The library counts what the guard gives it, not what the peer sent; acknowledging is done in ack. Half of -2 is
	// compared as an unsigned number: never.
	_ = s.PeerState().SetAckWindowSize(-2)
}

// handle takes each message: media and metadata go to the session, commands to the library if it should see them.
func (c *conn) handle(m *message) (forward bool, err error) {
	defer c.recover(&err)
	if c.session == nil {
		if c.early++; c.early > c.limits.UnadmittedMessages {
			return false, errUnasked
		}
	}
	if err := c.ack(); err != nil {
		return false, err
	}
	switch m.typ {
	case typeAudio, typeVideo:
		if c.session == nil {
			c.counters.drop(DropUnpublished)
			return false, nil
		}
		// Whatever message stream it names: some encoders name another one. The library has no part in it.
		kind := media.Video
		if m.typ == typeAudio {
			kind = media.Audio
		}
		if err := c.demux.message(kind, m.timestamp, m.payload); err != nil {
			return false, c.refuse(err)
		}
		return false, nil
	case typeData, typeDataAMF3:
		if c.session != nil {
			if err := c.demux.data(m.timestamp, unwrapAMF3(m)); err != nil {
				return false, c.refuse(err)
			}
		}
	case typeCommand, typeCommandAMF3:
		return c.command(m)
	case typeUserControl:
		return false, c.userControl(m.payload)
	case typeWindowAckSize:
		if len(m.payload) >= 4 && binary.BigEndian.Uint32(m.payload) >= minAckWindow {
			c.window = uint64(binary.BigEndian.Uint32(m.payload))
		} else {
			c.counters.drop(DropControl)
		}
	}
	return false, nil
}

// unwrapAMF3 returns the AMF0 data of a message; AMF3 messages from encoders are AMF0 behind a zero byte.
func unwrapAMF3(m *message) []byte {
	if (m.typ == typeDataAMF3 || m.typ == typeCommandAMF3) && len(m.payload) > 0 && m.payload[0] == 0 {
		return m.payload[1:]
	}
	return m.payload
}

// userControl answers pings (RTMP 1.0, 7.1.7).
func (c *conn) userControl(p []byte) error {
	const pingRequest = 6
	if len(p) < 6 || binary.BigEndian.Uint16(p) != pingRequest {
		if len(p) < 2 {
			c.counters.drop(DropControl)
		}
		return nil
	}
	return c.write(2, 0, &rtmpmsg.UserCtrl{Event: &rtmpmsg.UserCtrlEventPingResponse{Timestamp: binary.BigEndian.Uint32(p[2:])}})
}

// ack acknowledges received bytes when the peer asked for it (RTMP 1.0, 5.4.3); the number wraps at 2^32.
func (c *conn) ack() error {
	if c.window == 0 || c.guard.in.total-c.acked < c.window || c.lib == nil {
		return nil
	}
	c.acked = c.guard.in.total
	return c.write(2, 0, &rtmpmsg.Ack{SequenceNumber: uint32(c.acked)})
}

// write sends a message through the library. Only on the connection's goroutine (spec/dependencies.md, 1.2 row 13).
func (c *conn) write(chunkStream int, stream uint32, m rtmpmsg.Message) error {
	if c.lib == nil {
		return nil
	}
	select {
	case <-c.lib.GetChunkStreamer().Done():
		return errWrite // its writer has died; a message queued now would never leave, and the queue is short
	default:
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.limits.Write)
	defer cancel()
	if err := c.lib.Write(ctx, chunkStream, 0, &rtmp.ChunkMessage{StreamID: stream, Message: m}); err != nil {
		return fmt.Errorf("%w: %v", errWrite, err)
	}
	return nil
}

// reply sends a command message with a body that is already AMF0.
func (c *conn) reply(stream uint32, name string, transaction float64, body []byte) error {
	return c.write(3, stream, &rtmpmsg.CommandMessage{CommandName: name, TransactionID: int64(transaction),
		Encoding: rtmpmsg.EncodingTypeAMF0, Body: bytes.NewReader(body)})
}

// status sends onStatus on the message stream of the publish.
func (c *conn) status(level string, r Refusal) error {
	body := append([]byte{amfNull}, appendAMFObject(nil, "level", level, "code", r.Code, "description", r.Description)...)
	return c.reply(c.stream, "onStatus", 0, body)
}

// refuse tells the encoder why its publish ends and returns err, which ends the connection.
func (c *conn) refuse(err error) error {
	if c.told {
		return err
	}
	r := &Refusal{Code: CodeFailed, Description: generalText}
	if !errors.As(err, &r) {
		c.log(slog.LevelWarn, "publish failed", "err", err)
	}
	c.cause = err
	c.farewell(*r)
	return err
}

func (c *conn) farewell(r Refusal) {
	if c.told || c.lib == nil || !c.connected {
		return
	}
	c.told, c.guard.linger = true, true
	_ = c.status("error", r) // it is lost, then; the connection ends anyway
}

// readFailed is told why the guard stops reading. The library only needs to know that it is over.
func (c *conn) readFailed(err error) error {
	if c.cause == nil {
		c.cause = err
	}
	c.mu.Lock()
	reason := c.reason
	c.mu.Unlock()
	switch {
	case reason != nil:
		c.cause = reason
		c.farewell(*reason)
	case errors.Is(err, errWrite), errors.Is(err, errPanic):
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.farewell(Refusal{CodeIdle, "Nothing came from the encoder in time."})
	case isProtocol(err):
		c.farewell(Refusal{CodeFailed, "The encoder broke the protocol: " + err.Error() + "."})
	}
	return io.EOF
}

func isProtocol(err error) bool {
	for _, e := range []error{errTooLarge, errTooMany, errPartial, errNewHeader, errFirstChunk, errUnasked, errSequence} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// unpublish ends the publish, if there is one.
func (c *conn) unpublish() {
	if c.session == nil {
		return
	}
	s := c.session
	c.session, c.demux = nil, nil
	c.guard.chunks.admitted = false
	c.guard.await(c.limits.FirstMedia)
	c.early = 0
	c.mu.Lock()
	c.epoch++
	c.mu.Unlock()
	var err error
	func() {
		defer c.recover(&err)
		err = s.Close()
	}()
	if err != nil {
		c.log(slog.LevelWarn, "closing the session failed", "err", err)
	}
}

// kick ends the connection from any goroutine, unless its publish epoch has passed. Epoch 0 means any.
func (c *conn) kick(epoch uint64, reason *Refusal) {
	c.mu.Lock()
	if epoch != 0 && epoch != c.epoch {
		c.mu.Unlock()
		return
	}
	if c.reason == nil {
		if reason == nil {
			reason = &Refusal{CodeFailed, generalText}
		}
		c.reason = reason
	}
	c.mu.Unlock()
	c.cancel()
	c.guard.kick()
}

// recover turns a panic into an error that ends this connection and nothing else.
func (c *conn) recover(err *error) {
	r := recover()
	if r == nil {
		return
	}
	c.srv.panics.Add(1)
	*err = fmt.Errorf("%w: %v", errPanic, r)
	c.cause = *err
	c.log(slog.LevelError, "panic", "value", fmt.Sprint(r), "stack", string(debug.Stack()))
	c.farewell(Refusal{CodeFailed, generalText})
}

// OnClose is called by the library when the connection is over, before the last answers are flushed and it closes.
func (c *conn) OnClose() {
	c.unpublish()
	c.cancel()
}

// ended is called when the socket is closed.
func (c *conn) ended() {
	cause := c.cause
	why := describe(cause)
	if cause == nil && c.libraryComplain != "" {
		why = c.libraryComplain
	}
	level := slog.LevelDebug
	if c.everPublished || c.told {
		level = slog.LevelInfo
	}
	args := []any{"reason", why, "bytes", c.counters.Bytes(), "video", c.counters.Video(), "audio", c.counters.Audio()}
	c.counters.Drops(func(d Drop, n uint64) { args = append(args, "dropped_"+d.String(), n) })
	c.log(level, "encoder disconnected", args...)
	c.onEnd()
}

// log never shows app, stream or query: they hold the key.
func (c *conn) log(level slog.Level, text string, args ...any) {
	c.srv.logger().Log(context.Background(), level, text, append([]any{"remote", c.remote.String()}, args...)...)
}

// complain keeps the first line of what the library says went wrong.
func (c *conn) complain(s string) {
	s, _, _ = strings.Cut(s, "\n")
	c.libraryComplain = sanitize(s)
}

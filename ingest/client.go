package ingest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/yutopp/go-rtmp/handshake"

	"headwater.stream/internal/media"
)

// client is the encoder's end of a connection. go-rtmp does its handshake; the rest is ours because the library's client
// can neither be cancelled nor see onStatus, and its chunk writer leaves out extended timestamps that servers expect.
type client struct {
	nc     net.Conn
	limits Limits
	chunks *chunkReader
	name   string
	stream uint32 // message stream

	mu    sync.Mutex // one message at a time
	w     *bufio.Writer
	chunk int
}

// target is a publishing URL taken apart.
type target struct {
	address, app, name, tcURL string
	tls                       bool
	host                      string
}

// parseTarget reads rtmp://HOST[:1935]/APP/NAME[?QUERY], where APP may have slashes.
func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, err
	}
	port := "1935"
	switch u.Scheme {
	case "rtmp":
	case "rtmps":
		port = "443"
	default:
		return target{}, fmt.Errorf("%q is not an rtmp:// or rtmps:// URL", u.Redacted())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	app, name := path.Split(strings.Trim(u.EscapedPath(), "/"))
	if app == "" || name == "" || u.Hostname() == "" {
		return target{}, errors.New("a publishing URL has the form rtmp://HOST/APPLICATION/NAME")
	}
	if u.RawQuery != "" {
		name += "?" + u.RawQuery
	}
	app = strings.Trim(app, "/")
	return target{address: net.JoinHostPort(u.Hostname(), port), host: u.Hostname(), app: app, name: name,
		tcURL: u.Scheme + "://" + u.Host + "/" + app, tls: u.Scheme == "rtmps"}, nil
}

// dial connects and publishes; ctx bounds that, not what follows.
func dial(ctx context.Context, t target, opt PublishOptions) (*client, error) {
	limits := Limits{}.withDefaults()
	var d interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{Timeout: limits.Handshake}
	if t.tls {
		config := opt.TLS.Clone() // nil stays nil
		if config == nil {
			config = new(tls.Config)
		}
		if config.ServerName == "" {
			config.ServerName = t.host
		}
		d = &tls.Dialer{NetDialer: &net.Dialer{Timeout: limits.Handshake}, Config: config}
	}
	nc, err := d.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(limits.Handshake))
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Now()) })
	c := &client{nc: nc, limits: limits, name: t.name, w: bufio.NewWriterSize(nc, 64<<10), chunk: defaultChunkSize}
	err = c.open(t)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	return c, nil
}

func (c *client) open(t target) error {
	in := newInbuf(c.nc, readBuffer)
	if err := handshake.HandshakeWithServer(readerFunc(func(p []byte) (int, error) { return len(p), in.readFull(p) }), c.nc,
		&handshake.Config{SkipHandshakeVerification: true}); err != nil {
		return fmt.Errorf("RTMP handshake: %w", err)
	}
	w := newWork(c.limits.Work)
	c.chunks = newChunkReader(in, &c.limits, new(Counters), &w)
	const big = 65536
	if err := c.write(2, typeSetChunkSize, 0, 0, binary.BigEndian.AppendUint32(nil, big)); err != nil {
		return err
	}
	c.chunk = big
	info := appendAMFObject(nil, "app", t.app, "type", "nonprivate", "flashVer", "FMLE/3.0 (compatible; Headwater)", "tcUrl", t.tcURL)
	if _, err := c.call("connect", 1, 0, info); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := c.send("releaseStream", 2, 0, appendAMFString([]byte{amfNull}, t.name)); err != nil {
		return err
	}
	if err := c.send("FCPublish", 3, 0, appendAMFString([]byte{amfNull}, t.name)); err != nil {
		return err
	}
	reply, err := c.call("createStream", 4, 0, []byte{amfNull})
	if err != nil {
		return fmt.Errorf("createStream: %w", err)
	}
	if len(reply.args) > 1 {
		if id, ok := reply.args[1].(float64); ok && id >= 0 && id < 1<<32 {
			c.stream = uint32(id)
		}
	}
	if err := c.send("publish", 5, c.stream, appendAMFString(appendAMFString([]byte{amfNull}, t.name), "live")); err != nil {
		return err
	}
	for {
		cmd, err := c.receive()
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		if info := cmd.info(); cmd.name == "onStatus" && info.get("code") == codeStart {
			return nil
		}
	}
}

// send writes a command.
func (c *client) send(name string, transaction float64, stream uint32, body []byte) error {
	return c.write(3, typeCommand, stream, 0, append(appendAMFNumber(appendAMFString(nil, name), transaction), body...))
}

// call writes a command and waits for its result.
func (c *client) call(name string, transaction float64, stream uint32, body []byte) (command, error) {
	if err := c.send(name, transaction, stream, body); err != nil {
		return command{}, err
	}
	for {
		cmd, err := c.receive()
		if err != nil {
			return cmd, err
		}
		if cmd.transaction != transaction {
			continue
		}
		switch cmd.name {
		case "_result":
			return cmd, nil
		case "_error":
			return cmd, cmd.refusal()
		}
	}
}

// receive returns the next command from the server, and a *Refusal for a status of level error.
func (c *client) receive() (command, error) {
	for {
		m, err := c.chunks.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the server hangs up; never the end of the source
			}
			return command{}, err
		}
		switch m.typ {
		case typeUserControl:
			if len(m.payload) >= 6 && binary.BigEndian.Uint16(m.payload) == 6 { // ping
				if err := c.write(2, typeUserControl, 0, 0, append([]byte{0, 7}, m.payload[2:6]...)); err != nil {
					return command{}, err
				}
			}
		case typeCommand, typeCommandAMF3:
			cmd, err := parseCommand(unwrapAMF3(&m), c.limits.MetadataDepth, c.limits.Values)
			if err != nil {
				return cmd, fmt.Errorf("read a command: %w", err)
			}
			if cmd.name == "onStatus" && cmd.info().get("level") == "error" {
				return cmd, cmd.refusal()
			}
			return cmd, nil
		}
	}
}

// info returns the information object of a result or status.
func (c command) info() amfProperties {
	if len(c.args) < 2 {
		return nil
	}
	o, _ := c.args[1].(amfProperties)
	return o
}

func (c command) refusal() *Refusal {
	code, _ := c.info().get("code").(string)
	description, _ := c.info().get("description").(string)
	return &Refusal{Code: code, Description: description}
}

// write sends one message in chunks: a type 0 header, then type 3 headers with the extended timestamp (RTMP 1.0, 5.3).
func (c *client) write(chunkStream, typ byte, stream, ts uint32, parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.limits.Write)); err != nil {
		return err
	}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	var h [16]byte
	h[0] = chunkStream
	putUint24(h[1:], min(ts, extendedMark))
	putUint24(h[4:], uint32(size))
	h[7] = typ
	binary.LittleEndian.PutUint32(h[8:], stream)
	head, ext := h[:12], []byte(nil)
	if ts >= extendedMark {
		head = binary.BigEndian.AppendUint32(head, ts)
		ext = head[12:]
	}
	_, _ = c.w.Write(head) // the error is sticky: Flush returns it
	room := c.chunk
	for _, p := range parts {
		for len(p) > 0 {
			if room == 0 {
				_ = c.w.WriteByte(0xc0 | chunkStream)
				_, _ = c.w.Write(ext)
				room = c.chunk
			}
			n := min(room, len(p))
			_, _ = c.w.Write(p[:n])
			p, room = p[n:], room-n
		}
	}
	return c.w.Flush()
}

// packet sends a packet as an FLV body with timestamp ts.
func (c *client) packet(p Packet, ts uint32) error {
	if p.FourCC != "avc1" && p.FourCC != "mp4a" {
		return c.enhanced(p, ts)
	}
	var h [5]byte
	typ, head := byte(typeVideo), h[:5]
	if p.Kind == media.Audio {
		typ, head = typeAudio, h[:2]
		h[0] = 0xaf // AAC, 44 kHz, 16 bits, stereo: "SoundFormat 10 … values in AudioSpecificConfig" (E.4.2.1)
	} else {
		h[0] = 0x27
		if p.Sync || p.Config {
			h[0] = 0x17
		}
		putUint24(h[2:], uint32(p.CTS)&0xffffff)
	}
	if !p.Config {
		h[1] = 1
	}
	return c.write(4+typ-typeAudio, typ, c.stream, ts, head, p.Data)
}

// enhanced sends a packet as an enhanced RTMP body with timestamp ts.
func (c *client) enhanced(p Packet, ts uint32) error {
	var h [8]byte
	copy(h[1:], p.FourCC)
	typ, head := byte(typeVideo), h[:5]
	packet := byte(exCodedFrames)
	if p.Config {
		packet = exSequenceStart
	}
	switch {
	case p.Kind == media.Audio:
		typ, h[0] = typeAudio, 0x90|packet
	case p.Sync || p.Config:
		h[0] = 0x90 | packet
	default:
		h[0] = 0xa0 | packet
	}
	if p.FourCC == "hvc1" && !p.Config {
		putUint24(h[5:], uint32(p.CTS)&0xffffff)
		head = h[:8]
	}
	return c.write(4+typ-typeAudio, typ, c.stream, ts, head, p.Data)
}

// metadata announces which kinds of media will come.
func (c *client) metadata(video, audio bool) error {
	pairs := []any{"encoder", "Headwater"}
	if video {
		pairs = append(pairs, "videocodecid", 7.0) // the name matters to nobody, that there is one does
	}
	if audio {
		pairs = append(pairs, "audiocodecid", 10.0)
	}
	b := appendAMFString(appendAMFString(nil, "@setDataFrame"), "onMetaData")
	return c.write(4, typeData, c.stream, 0, appendAMFObject(b, pairs...))
}

// end unpublishes and closes. What was sent is read by the server before it sees the end.
func (c *client) end(readerDone <-chan struct{}) {
	c.mu.Lock()
	c.limits.Write = 2 * time.Second // nobody waits longer for a goodbye
	c.mu.Unlock()
	_ = c.send("FCUnpublish", 6, 0, appendAMFString([]byte{amfNull}, c.name))
	_ = c.send("deleteStream", 7, 0, appendAMFNumber([]byte{amfNull}, float64(c.stream)))
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
		t := time.NewTimer(time.Second)
		select {
		case <-readerDone:
		case <-t.C:
		}
		t.Stop()
	}
	_ = c.nc.Close()
	<-readerDone
}

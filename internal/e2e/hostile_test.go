package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"testing"
	"time"
)

// TestHostileEncoders sends the daemon, before any authorisation, what has crashed or swollen RTMP servers, while a
// healthy encoder publishes on the side: the process stays up and small, and the healthy stream loses no frame.
func TestHostileEncoders(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "calm")
	const file = "../../testdata/demo.flv"
	sent, err := probe(time.Minute, file)
	if err != nil {
		t.Fatal(err)
	}
	encoder := Publish(t, c.Ingest+"/main", file, false)
	c.Shows(t, c.Public, time.Second, 20*time.Second)
	small := d.Peak(t)
	// What the race detector adds to live memory, and what 200 idle connections may take.
	limit := small + 400

	silent := silentConnections(t, host(d.RTMP), 200)
	for _, attack := range attacks {
		attack.send(t, host(d.RTMP))
		d.Alive(t)
		encoder.Alive(t)
		if peak := d.Peak(t); peak > limit {
			t.Errorf("%s: the daemon has grown from %d to %d MiB", attack.name, small, peak)
			limit = peak + 100
		}
	}
	if left := silent(15 * time.Second); left > 0 {
		t.Errorf("%d of 200 silent connections are still open", left)
	}
	encoder.Wait(t, 60*time.Second)
	c.Shows(t, c.Public, 16*time.Second, 10*time.Second)
	c.End(t)
	got, err := probe(time.Minute, HLS(c.Public))
	if err != nil {
		t.Error(err)
	}
	onGrid(sent)
	sameFrames(t, "the healthy stream", got, sent, audioMissing)
	t.Logf("peak of resident memory %d MiB before, %d MiB after", small, d.Peak(t))
}

// attack is one hostile client. What the server answers, and when it hangs up, is its own affair.
type attack struct {
	name  string
	write func(w *chunkWriter) // called after the handshake
	reads bool                 // read answers away; a client that never reads leaves them lying
}

// The rows of what was found in the library below, most of them fatal without a guard in front.
var attacks = []attack{
	{"strict array with 2^31 elements", func(w *chunkWriter) {
		w.message(3, 20, 0, join(amfString("connect"), amfNumber(1), []byte{0x0a, 0x7f, 0xff, 0xff, 0xff}))
	}, true},
	{"two million nested objects", func(w *chunkWriter) {
		w.setChunkSize(1 << 20)
		w.message(3, 20, 0, join(amfString("connect"), amfNumber(1), bytes.Repeat([]byte{0x03, 0x00, 0x01, 'a'}, 2<<20)))
	}, true},
	{"type-3 chunk headers with extended timestamps", func(w *chunkWriter) {
		w.connect()
		w.timestamp = math.MaxUint32 - 5
		w.message(6, 9, 1, bytes.Repeat([]byte{0x17}, 4000))
	}, true},
	{"three-byte chunk stream ids", func(w *chunkWriter) {
		w.connect()
		for csid := 320; csid < 65600; csid += 501 {
			w.message(csid, 8, 1, []byte{0xaf, 1, 2, 3})
		}
	}, true},
	{"messages of no length", func(w *chunkWriter) {
		w.connect()
		for kind := range byte(32) {
			w.message(4, kind, 1, nil)
		}
	}, true},
	{"abort and new header in mid-message", func(w *chunkWriter) {
		w.connect()
		w.header(4, 0, 9, 1, 5000)
		w.bytes(bytes.Repeat([]byte{0x17}, 128))
		w.message(2, 2, 0, []byte{0, 0, 0, 4})
		w.header(4, 0, 9, 1, 5000)
		w.bytes(bytes.Repeat([]byte{0x17}, 128))
		w.header(4, 0, 8, 1, 9)
		w.bytes(bytes.Repeat([]byte{0xaf}, 9))
	}, true},
	{"unknown and unusual message types", func(w *chunkWriter) {
		w.connect()
		for kind := range 256 {
			switch byte(kind) {
			case 1, 2, 3, 5, 6:
				continue
			}
			w.message(5, byte(kind), 1, []byte{0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
		}
		for event := range byte(40) {
			w.message(2, 4, 0, []byte{0, event, 0, 0, 0, 1})
		}
	}, true},
	{"225 unfinished messages of 1 MB", func(w *chunkWriter) {
		w.setChunkSize(0xffffff)
		for csid := range 225 {
			w.header(64+csid, 0, 9, 1, 16<<20-1)
			w.bytes(make([]byte, 1<<20))
		}
	}, true},
	{"20,000 createStream", func(w *chunkWriter) {
		w.connect()
		for i := range 20000 {
			w.message(3, 20, 0, join(amfString("createStream"), amfNumber(float64(i+2)), []byte{0x05}))
		}
	}, true},
	{"acknowledgement window of two bytes, nothing read", func(w *chunkWriter) {
		w.connect()
		w.message(2, 5, 0, []byte{0, 0, 0, 2})
		for range 20000 {
			w.message(2, 4, 0, []byte{0, 6, 0, 0, 0, 1}) // ping request
		}
	}, false},
	{"chunks of one byte", func(w *chunkWriter) {
		w.connect()
		w.setChunkSize(1)
		w.message(4, 9, 1, bytes.Repeat([]byte{0x17}, 200000))
	}, true},
}

// send runs one attack, for at most five seconds.
func (a attack) send(t *testing.T, address string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Errorf("%s: %v", a.name, err)
		return
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := handshake(conn); err != nil {
		t.Errorf("%s: handshake: %v", a.name, err)
		return
	}
	read := make(chan struct{})
	answered := int64(0)
	if a.reads {
		go func() {
			defer close(read)
			answered, _ = io.Copy(io.Discard, conn)
		}()
	} else {
		close(read)
	}
	w := &chunkWriter{w: bufio.NewWriterSize(conn, 64<<10), size: 128}
	a.write(w)
	if w.err == nil {
		w.err = w.w.Flush()
	}
	if w.err != nil && !isNetError(w.err) {
		t.Errorf("%s: %v", a.name, w.err)
	}
	// Half closed, so that what the server still answers is seen.
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	<-read
	if a.reads && w.connected && answered == 0 {
		t.Errorf("%s: not even the connect was answered: this tried nothing", a.name)
	}
}

// isNetError: the server may hang up on an attacker at any time, or stop reading.
func isNetError(err error) bool {
	var e net.Error
	var op *net.OpError
	return errors.As(err, &e) || errors.As(err, &op)
}

// silentConnections opens connections that say nothing; the result waits and counts those the server left open.
func silentConnections(t *testing.T, address string, n int) func(time.Duration) int {
	t.Helper()
	var conns []net.Conn
	for range n {
		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			t.Errorf("silent connection %d: %v", len(conns), err)
			break
		}
		conns = append(conns, conn)
	}
	return func(d time.Duration) int {
		deadline := time.Now().Add(d)
		open := 0
		for _, conn := range conns {
			_ = conn.SetReadDeadline(deadline)
			var timeout net.Error
			if _, err := io.Copy(io.Discard, conn); errors.As(err, &timeout) && timeout.Timeout() {
				open++
			}
			_ = conn.Close()
		}
		return open
	}
}

// handshake does the plain RTMP handshake.
func handshake(conn net.Conn) error {
	c0c1 := make([]byte, 1+1536)
	c0c1[0] = 3
	if _, err := conn.Write(c0c1); err != nil {
		return err
	}
	s0s1 := make([]byte, 1+1536)
	if _, err := io.ReadFull(conn, s0s1); err != nil {
		return err
	}
	if _, err := conn.Write(s0s1[1:]); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1536))
	return err
}

// chunkWriter writes RTMP chunks without asking whether they make sense.
type chunkWriter struct {
	w         *bufio.Writer
	size      int
	timestamp uint32
	connected bool
	err       error
}

func (w *chunkWriter) bytes(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

func (w *chunkWriter) basic(csid int, format byte) {
	switch {
	case csid < 64:
		w.bytes([]byte{format<<6 | byte(csid)})
	case csid < 320:
		w.bytes([]byte{format << 6, byte(csid - 64)})
	default:
		w.bytes([]byte{format<<6 | 1, byte(csid - 64), byte((csid - 64) >> 8)})
	}
}

// header writes a type-0 chunk header.
func (w *chunkWriter) header(csid int, timestamp uint32, kind byte, stream uint32, length int) {
	w.basic(csid, 0)
	short := min(timestamp, 0xffffff)
	w.bytes([]byte{byte(short >> 16), byte(short >> 8), byte(short), byte(length >> 16), byte(length >> 8), byte(length), kind})
	w.bytes(binary.LittleEndian.AppendUint32(nil, stream))
	w.extended(timestamp)
}

func (w *chunkWriter) extended(timestamp uint32) {
	if timestamp >= 0xffffff {
		w.bytes(binary.BigEndian.AppendUint32(nil, timestamp))
	}
}

// message writes a whole message in chunks.
func (w *chunkWriter) message(csid int, kind byte, stream uint32, body []byte) {
	w.header(csid, w.timestamp, kind, stream, len(body))
	for first := true; len(body) > 0 && w.err == nil; first = false {
		if !first {
			w.basic(csid, 3)
			w.extended(w.timestamp)
		}
		n := min(w.size, len(body))
		w.bytes(body[:n])
		body = body[n:]
	}
}

func (w *chunkWriter) setChunkSize(n int) {
	w.message(2, 1, 0, binary.BigEndian.AppendUint32(nil, uint32(n)))
	w.size = n
}

// connect sends a harmless connect.
func (w *chunkWriter) connect() {
	w.connected = true
	w.message(3, 20, 0, join(amfString("connect"), amfNumber(1), []byte{0x03}, amfKey("app"), amfString("live/x"), []byte{0, 0, 9}))
}

func amfKey(s string) []byte    { return append([]byte{byte(len(s) >> 8), byte(len(s))}, s...) }
func amfString(s string) []byte { return append([]byte{0x02}, amfKey(s)...) }
func amfNumber(f float64) []byte {
	return binary.BigEndian.AppendUint64([]byte{0x00}, math.Float64bits(f))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

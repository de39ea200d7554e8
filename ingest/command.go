package ingest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	rtmpmsg "github.com/yutopp/go-rtmp/message"
)

// command obeys or answers a command, or puts it in the shape that the library obeys.
func (c *conn) command(m *message) (forward bool, err error) {
	cmd, err := parseCommand(unwrapAMF3(m), c.limits.Depth, c.limits.Values)
	if err != nil {
		return false, fmt.Errorf("read a command: %w", err)
	}
	m.typ, m.timestamp = typeCommand, 0
	switch cmd.name {
	case "connect":
		return c.connect(m, cmd)
	case "createStream":
		return c.createStream(m, cmd)
	case "publish":
		return c.publish(m, cmd)
	case "deleteStream":
		return c.deleteStream(m, cmd)
	case "closeStream", "FCUnpublish":
		if c.session == nil {
			return false, nil
		}
		c.unpublish()
		return false, c.status("status", Refusal{codeDone, "Unpublished."})
	case "releaseStream", "_checkbw":
		return false, c.reply(m.stream, "_result", cmd.transaction, []byte{amfNull})
	case "FCPublish":
		// Livestream Studio, Wirecast and hardware wait for one or the other.
		if err := c.reply(m.stream, "_result", cmd.transaction, []byte{amfNull}); err != nil {
			return false, err
		}
		info := appendAMFObject([]byte{amfNull}, "level", "status", "code", codeStart, "description", "FCPublish")
		return false, c.reply(m.stream, "onFCPublish", 0, info)
	case "play", "play2":
		c.stream = m.stream
		return false, c.refuse(&Refusal{codePlay, "This server only takes publishers; play over HTTP."})
	case "_result", "_error", "onStatus":
		return false, nil
	}
	if cmd.transaction == 0 {
		return false, nil // wants no answer
	}
	info := appendAMFObject([]byte{amfNull}, "level", "error", "code", codeCall, "description", "Unknown command.")
	return false, c.reply(m.stream, "_error", cmd.transaction, info)
}

func (c *conn) connect(m *message, cmd command) (bool, error) {
	if c.connected {
		return false, fmt.Errorf("%w: second connect", errSequence)
	}
	var o amfProperties
	if len(cmd.args) > 0 {
		o, _ = cmd.args[0].(amfProperties)
	}
	app, _ := o.get("app").(string) // every field is optional and of any type
	flash, _ := o.get("flashVer").(string)
	c.connected = true
	c.app, c.appQuery = splitQuery(app)
	c.app = strings.Trim(c.app, "/")
	c.encoder = sanitize(flash)
	// The first message after the handshake: it has four bytes, so it is the same under the old and the new chunk size.
	if err := c.write(2, 0, &rtmpmsg.SetChunkSize{ChunkSize: c.limits.AnnounceChunkSize}); err != nil {
		return false, err
	}
	m.stream, m.payload = 0, canonicalConnect()
	return true, nil
}

// createStream follows the library's books: it gives out the lowest free number, and an error when there is none.
func (c *conn) createStream(m *message, cmd command) (bool, error) {
	if !c.connected {
		return false, fmt.Errorf("%w: createStream before connect", errSequence)
	}
	for i := 1; i < maxStreams; i++ {
		if !c.streams[i] {
			c.streams[i] = true
			break
		}
	}
	m.stream, m.payload = 0, canonicalCreateStream(cmd.transaction)
	return true, nil
}

func (c *conn) deleteStream(m *message, cmd command) (bool, error) {
	id := m.stream
	if len(cmd.args) > 1 {
		if v, ok := cmd.args[1].(float64); ok {
			id = maxStreams
			if v >= 0 && v < maxStreams {
				id = uint32(v)
			}
		}
	}
	if c.session != nil && (id == c.stream || id == 0) {
		id = c.stream
		c.unpublish()
	}
	if id == 0 || id >= maxStreams || !c.streams[id] || (c.session != nil && id == c.stream) {
		return false, nil // nothing of the sort
	}
	c.streams[id], c.used[id] = false, false
	m.stream, m.payload = 0, canonicalDeleteStream(id)
	return true, nil
}

// publish asks the gate. Only an admitted publish reaches the library, which then answers NetStream.Publish.Start.
func (c *conn) publish(m *message, cmd command) (bool, error) {
	if !c.connected {
		return false, fmt.Errorf("%w: publish before connect", errSequence)
	}
	id := m.stream
	for i := uint32(1); i < maxStreams && (id == 0 || id >= maxStreams || !c.streams[id]); i++ {
		id = i // some encoders publish on another stream than they created
	}
	if id >= maxStreams || !c.streams[id] {
		return false, fmt.Errorf("%w: publish before createStream", errSequence)
	}
	if c.session != nil || c.used[id] {
		c.unpublish()
		return false, c.refuse(&Refusal{CodeBadName, "This connection has published already; connect again."})
	}
	c.stream = id
	r, err := c.request(cmd)
	if err != nil {
		return false, c.refuse(err)
	}
	session, err := c.admit(r)
	if err != nil {
		return false, c.refuse(err)
	}
	c.session, c.everPublished, c.used[id] = session, true, true
	c.demux = newDemuxer(session, c.limits, &c.counters, r.Query)
	c.guard.chunks.admitted = true
	c.guard.await(c.limits.FirstMedia)
	m.stream, m.payload = id, canonicalPublish()
	return true, nil
}

// admit asks the gate, when it is this address's turn.
func (c *conn) admit(r Request) (Session, error) {
	addr := c.remote.Addr()
	wait, ok := c.srv.guesses.turn(addr, time.Now())
	if !ok {
		return nil, &Refusal{CodeFailed, "Too many failed attempts from this address; wait a minute."}
	}
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.ctx.Done():
			return nil, c.ctx.Err()
		}
	}
	session, err := c.srv.Gate.Admit(c.ctx, r)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Code == CodeBadName {
		c.srv.guesses.failed(addr, time.Now())
	}
	return session, err
}

// request parses at the door what the encoder asks for.
func (c *conn) request(cmd command) (Request, error) {
	full, _ := cmd.text(1)
	name, query := splitQuery(full)
	if c.appQuery != "" {
		query = strings.Trim(query+"&"+c.appQuery, "&")
	}
	if name == "" {
		return Request{}, &Refusal{CodeBadName, "The stream name is empty."}
	}
	if !plain(c.app, c.limits.NameBytes) || !plain(name, c.limits.NameBytes) || !plain(query, c.limits.QueryBytes) {
		return Request{}, &Refusal{CodeBadName, "The stream name or application is too long or has characters that are not allowed."}
	}
	c.mu.Lock()
	c.epoch++
	epoch := c.epoch
	c.mu.Unlock()
	return Request{
		Remote: c.remote, TLS: c.tls,
		App: c.app, Stream: name, Query: query,
		Encoder:  c.encoder,
		Kick:     func(reason *Refusal) { c.kick(epoch, reason) },
		Counters: &c.counters,
	}, nil
}

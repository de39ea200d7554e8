package ingest

import "time"

// Limits bounds what one connection may cost. A zero field stands for its default.
type Limits struct {
	// Connections open at a time on one Server; more are closed at once. Each costs up to about 200 kB before it publishes.
	Connections int // 1000

	Handshake  time.Duration // 10 s: from accept to the end of the handshake, TLS included (slowloris)
	FirstMedia time.Duration // 20 s: from the handshake to publish, and from publish to the first audio or video message
	Idle       time.Duration // 10 s: without a byte from a publisher (frozen encoder, dead network)
	Stall      time.Duration // 30 s: between complete audio or video messages (bytes that drip, pings only)
	Write      time.Duration // 10 s: for one write to the peer (a peer that never reads)
	Shutdown   time.Duration // 5 s: that Serve waits for connections to end by themselves

	AnnounceChunkSize uint32 // 60000: our chunk size; ffmpeg takes it for its own direction too, five times less CPU than 128

	ChunkStreams       int // 64: chunk streams per connection; encoders use fewer than ten
	CommandBytes       int // 64 KiB: one AMF or control message
	MediaBytes         int // 16 MiB-1: one audio, video or aggregate message; the most the 24-bit length field can say
	PartialBytes       int // 32 MiB: memory for unfinished messages of one publisher
	UnadmittedBytes    int // 256 KiB: the same before publish was accepted
	UnadmittedMessages int // 200: messages before publish was accepted
	Depth              int // 8: nesting of AMF values in commands
	MetadataDepth      int // 32: the same in onMetaData
	Values             int // 4096: AMF values in one message

	// Work is the rate of work units at which a connection is slowed down: 1 per chunk while the peer's chunk size is
	// under 128 bytes, 4 per media message, 100 and more per other message. It costs a tenth of a core at most.
	Work int // 1_000_000 per second

	NameBytes  int // 256: app and publishing name, each
	QueryBytes int // 2048: their query

	TrackWait time.Duration // 1 s of media time to wait for the second track
	HoldBytes int           // 16 MiB of samples to hold back meanwhile
}

// withDefaults returns l with the defaults filled in.
func (l Limits) withDefaults() Limits {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	wait := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&l.Connections, 1000)
	wait(&l.Handshake, 10*time.Second)
	wait(&l.FirstMedia, 20*time.Second)
	wait(&l.Idle, 10*time.Second)
	wait(&l.Stall, 30*time.Second)
	wait(&l.Write, 10*time.Second)
	wait(&l.Shutdown, 5*time.Second)
	if l.AnnounceChunkSize == 0 {
		l.AnnounceChunkSize = 60000
	}
	def(&l.ChunkStreams, 64)
	def(&l.CommandBytes, 64<<10)
	def(&l.MediaBytes, maxMessage)
	def(&l.PartialBytes, 32<<20)
	def(&l.UnadmittedBytes, 256<<10)
	def(&l.UnadmittedMessages, 200)
	def(&l.Depth, 8)
	def(&l.MetadataDepth, 32)
	def(&l.Values, 4096)
	def(&l.Work, 1_000_000)
	def(&l.NameBytes, 256)
	def(&l.QueryBytes, 2048)
	wait(&l.TrackWait, time.Second)
	def(&l.HoldBytes, 16<<20)
	return l
}

package control

import (
	"context"
	"net/netip"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/access"
	"headwater.stream/internal/doctor"
)

// Desired is everything that should be running or reachable: a pure function of the stored records. The reconcile loop
// computes it after each change and at boot and hands it to the Runtime.
type Desired struct {
	Events   []EventSpec
	Outputs  []OutputSpec
	Ended    []OutputSpec // being deleted, perhaps since before a crash: their recordings have to be whole and ended when Apply returns
	Assets   []AssetSpec
	Removed  []AssetSpec // being deleted, perhaps since before a crash: their directories have to be gone when Apply returns
	Locators []LocatorSpec
	Filters  []FilterSpec
	Webhooks []WebhookSpec
	// EndpointRunning says whether any streaming endpoint runs: while none does, published locators answer nothing.
	EndpointRunning bool
	// ViewerAllow are the addresses that may watch what locators publish: those that any running endpoint lets in.
	ViewerAllow AllowList
	// MaxCacheAge is how long caches may keep segments and the manifests of recordings; 0: as the origin likes. Of several
	// running endpoints that set it the smallest counts.
	MaxCacheAge time.Duration
}

// AllowList are the addresses that may come in. Nil lets everybody in, an empty one nobody.
type AllowList []netip.Prefix

// Admits reports whether the address may come in.
func (l AllowList) Admits(a netip.Addr) bool {
	if l == nil {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, p := range l {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// EventSpec is one live event. It is listed as long as the event exists, running or not.
type EventSpec struct {
	ID            string        // GUID made with the event, never shown, names its spool directory; a new event of the same name has another
	Name          string        // for logs
	Token         string        // accessToken, 32 lower-case hex digits
	PreviewID     string        // previewLocator, lower-case GUID
	Running       bool          // publishers are admitted and the preview is served
	SegmentTarget time.Duration // keyFrameIntervalDuration, default 2 s: the segment length aimed at
	Parts         bool          // streamOptions has LowLatency or LowLatencyV2
	IngestAllow   AllowList     // where encoders may connect from; one that is connected and no longer allowed is disconnected
	PreviewAllow  AllowList     // who may watch the preview
}

// OutputSpec is one live output: it records as long as it is listed and its event has media.
type OutputSpec struct {
	ID            string // GUID made with the output
	Name          string // for logs
	EventID       string
	AssetID       string
	ManifestName  string
	ArchiveWindow time.Duration
	RewindWindow  time.Duration // 0: as ArchiveWindow
	SnapTime      int64         // outputSnapTime: media with an earlier timestamp on the encoder's timeline, in 1/10 000 000 s, is not recorded; 0: from now on
}

// AssetSpec is one asset; Container is the name of its directory under <data-dir>/assets.
type AssetSpec struct {
	ID           string // assetId, lower-case GUID
	Name         string // for logs
	Container    string
	ManifestName string // of the recording in it; "" until an output was created on it
}

// LocatorSpec publishes an asset under /<ID>/<AssetSpec.ManifestName>.ism/.
type LocatorSpec struct {
	ID        string // streamingLocatorId, lower-case GUID
	AssetID   string
	StartTime time.Time      // zero: at once
	EndTime   time.Time      // zero: never
	HLS, DASH bool           // enabledProtocols of its policy
	Download  bool           // the same: the whole as one MP4 file
	Filters   []string       // names of filters that always apply
	Access    *access.Policy // nil: everybody
}

// Valid reports whether the locator serves at this time.
func (l *LocatorSpec) Valid(now time.Time) bool {
	return (l.StartTime.IsZero() || !now.Before(l.StartTime)) && (l.EndTime.IsZero() || now.Before(l.EndTime))
}

// FilterSpec is an account filter, or one of an asset, which wins over an account filter of the same name.
type FilterSpec struct {
	AssetID    string // "": of the account
	Name       string // names are matched without regard to case
	Properties api.FilterProperties
}

// Runtime is what runs: the data plane behind the control plane. internal/node implements it, memory doubles in tests.
type Runtime interface {
	// Apply brings what runs to d and returns when that is done: a Running event's ingest accepts encoders and its preview
	// is served; an event that is not Running has disconnected its encoder and answers 404 on its preview; an output that
	// is gone has finished its asset (ENDLIST, static manifests) and the asset replays; files of events and assets that are
	// no longer listed are removed; locators resolve as listed. It is idempotent and never called twice at a time. Failures
	// of single resources are returned by their spec ID and leave the others done; the loop tries those again later.
	Apply(ctx context.Context, d Desired) map[string]error
	// EventStatus reports what an event's ingest sees now; ok is false when the event does not run.
	EventStatus(eventID string) (st EventStatus, ok bool)
	// Examine reports what is measured of the encoder that publishes to an event, and what is wrong with it; nil when none does.
	Examine(eventID string) *doctor.Report
	// AssetTracks returns the tracks of the recording in an asset, video first; none before there is one.
	AssetTracks(assetID string) ([]RecordedTrack, error)
}

// EventStatus is the live side of an event.
type EventStatus struct {
	Connected bool      // an encoder is publishing
	Since     time.Time // of the connection, or of its end; zero if there never was one
	Remote    string    // address of the encoder
	Tracks    []string  // one line each: "video avc1.640028 1920x1080 30 fps", "audio mp4a.40.2 48000 Hz 2 ch"

	Silent     time.Duration // since the last sample; 0: none yet
	Lost       bool          // for so long that the input counts as lost
	NoKeyFrame time.Duration // since the last key frame, or the announcement of the tracks; 0: no video

	Log    string        // entity tag of Events and Beats together: another when one was added
	Events []StreamEvent // the latest, oldest first; a bounded number
	Beats  []Heartbeat   // the same

	Alarms []Alarm // what cannot be written to the disk now
}

// Alarm says that something of an event cannot be written to the disk: it is live from memory, and gaps are recorded.
type Alarm struct {
	Since  time.Time
	What   string
	Reason string // disk_full, no_inodes, read_only, permission, disk_slow, disk_error, disk_reserve, quota
	Detail string
}

// StreamEvent is something that happened to the input of an event (ams-v3 §10.2).
type StreamEvent struct {
	Time    time.Time
	Type    string // BeginIngest, EndIngest, FirstChunkReceived, ChunkDropped, Discontinuity, InvalidConnection; our own: MediaRepaired, InputLost, InputRestored
	Level   string // Information, Warning, Error
	Stream  string // stream key
	Remote  string // address of the encoder
	Code    string // result code of ams-v3 §11.2 or §10.1, where there is one
	Reason  string
	Track   string // "video", "audio"; "" when it is about the stream
	Codec   string
	Bitrate int           // declared, bit/s
	At      time.Duration // media time
	Gap     time.Duration
}

// Heartbeat says how a track came in during the time before.
type Heartbeat struct {
	Time            time.Time
	Track           string        // "video", "audio"
	Bitrate         int           // declared, bit/s; 0: not
	Incoming        int           // bit/s
	Last            time.Duration // timestamp of the newest sample on the encoder's clock
	Arrived         time.Time     // when it came
	Overlaps        int           // samples dropped because their time was taken
	Discontinuities int
	Drift           time.Duration // by how much it fell behind the clock in the last minute; negative: not known
}

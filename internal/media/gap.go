package media

// GapReason says why a segment has no media. The numbers are stored (docs/format/asset-v1.md).
type GapReason uint8

// The reasons.
const (
	GapUnknown    GapReason = iota // the encoder sent nothing, or nobody knows
	GapDiskFull                    // no space left
	GapNoInodes                    // no inodes left
	GapReadOnly                    // the file system is read-only
	GapPermission                  // not allowed to write
	GapDiskSlow                    // the disk did not answer in time
	GapDiskError                   // any other failure of the disk
	GapReserve                     // the free space is below what is kept in reserve
	GapQuota                       // the recordings may take no more
	GapPowerLoss                   // it was not on the disk when the machine stopped
	GapMissing                     // its file is gone
)

// gapReasons are the names shown to users.
var gapReasons = [...]string{
	"none", "disk_full", "no_inodes", "read_only", "permission", "disk_slow", "disk_error", "disk_reserve", "quota", "power_loss", "file_missing",
}

// String returns the reason's name: lower-case letters and underscores.
func (r GapReason) String() string {
	if int(r) < len(gapReasons) {
		return gapReasons[r]
	}
	return "unknown"
}

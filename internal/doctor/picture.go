package doctor

import (
	"encoding/binary"
	"strings"

	mch264 "github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"headwater.stream/internal/media"
)

// picture is what the parameter sets of H.264 say beyond what is in a Track.
type picture struct {
	known       bool
	level       int // level_idc: 31 is 3.1
	interlaced  bool
	macroblocks int
}

// readPicture reads the first SPS of an avcC. What cannot be read is not known.
func readPicture(t *media.Track) (p picture) {
	defer func() {
		if recover() != nil { // the parser has been fuzzed, but these are hostile bytes
			p = picture{}
		}
	}()
	if !strings.HasPrefix(t.Codec, "avc1.") || len(t.Config) < 8 {
		return picture{}
	}
	n := int(binary.BigEndian.Uint16(t.Config[6:]))
	if t.Config[5]&0x1f == 0 || len(t.Config) < 8+n {
		return picture{}
	}
	var sps mch264.SPS
	if sps.Unmarshal(t.Config[8:8+n]) != nil {
		return picture{}
	}
	return picture{known: true, level: int(sps.LevelIdc), interlaced: !sps.FrameMbsOnlyFlag,
		macroblocks: ((sps.Width() + 15) / 16) * ((sps.Height() + 15) / 16)}
}

// levelLimit says how many macroblocks a level has, at most: a second, and in a picture (ITU-T H.264 table A-1).
type levelLimit struct{ level, rate, frame int }

var levelLimits = [...]levelLimit{
	{10, 1485, 99}, {11, 3000, 396}, {12, 6000, 396}, {13, 11880, 396}, {20, 11880, 396}, {21, 19800, 792}, {22, 20250, 1620},
	{30, 40500, 1620}, {31, 108000, 3600}, {32, 216000, 5120}, {40, 245760, 8192}, {41, 245760, 8192}, {42, 522240, 8704},
	{50, 589824, 22080}, {51, 983040, 36864}, {52, 2073600, 36864}, {60, 4177920, 139264}, {61, 8355840, 139264}, {62, 16711680, 139264},
}

// levelFor returns the least level that has pictures of that size at that rate; 0: none has.
func levelFor(macroblocks int, fps float64) int {
	for _, l := range levelLimits {
		if macroblocks <= l.frame && float64(macroblocks)*fps <= float64(l.rate)*1.01 {
			return l.level
		}
	}
	return 0
}

// NAL unit types (ITU-T H.264 table 7-1, H.265 table 7-1).
const (
	nalSlice    = 1
	nalIDR      = 5
	nalSEI      = 6
	hevcRASLN   = 8
	hevcRASLR   = 9
	hevcLastVCL = 31
)

// seiRecoveryPoint is the payload type of a recovery point (ITU-T H.264 table D.1).
const seiRecoveryPoint = 6

// scanner returns a function that finds in an access unit what shows that a group of pictures is open: in H.264 a recovery point
// without an IDR picture (open GOPs, intra refresh), in HEVC a leading picture that refers to the group before (RASL). nil: the
// codec has no such thing.
func scanner(codec string) func([]byte) bool {
	switch name, _, _ := strings.Cut(codec, "."); name {
	case "avc1":
		return openAVC
	case "hvc1":
		return openHEVC
	}
	return nil
}

// openAVC looks no further than the first slice, before which SEI messages come.
func openAVC(au []byte) bool {
	recovery := false
	for len(au) >= 6 {
		n := binary.BigEndian.Uint32(au)
		if uint64(n) > uint64(len(au)-4) {
			return false
		}
		if n >= 2 {
			switch typ := au[4] & 0x1f; {
			case typ == nalSEI:
				recovery = recovery || au[5] == seiRecoveryPoint
			case nalSlice <= typ && typ <= nalIDR:
				return recovery && typ == nalSlice
			}
		}
		au = au[4+n:]
	}
	return false
}

func openHEVC(au []byte) bool {
	for len(au) >= 6 {
		n := binary.BigEndian.Uint32(au)
		if uint64(n) > uint64(len(au)-4) {
			return false
		}
		if n >= 2 {
			if typ := au[4] >> 1 & 0x3f; typ <= hevcLastVCL {
				return typ == hevcRASLN || typ == hevcRASLR
			}
		}
		au = au[4+n:]
	}
	return false
}

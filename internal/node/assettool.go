package node

import (
	"context"

	"headwater.stream/archive/fsstore"
)

// AssetCheck says how CheckAsset works.
type AssetCheck struct {
	Repair, Force bool
	Progress      func(done, total int64) // bytes; nil: nobody wants to know
}

// CheckAsset verifies an asset directory, and repairs it if it is to. It needs no running node.
func CheckAsset(ctx context.Context, dir string, o AssetCheck) (*fsstore.Report, error) {
	return fsstore.Check(ctx, dir, fsstore.CheckOptions{Repair: o.Repair, Force: o.Force, Progress: o.Progress, Manifests: manifests})
}

package cgroup

import (
	"context"
	"io/fs"
	"path/filepath"
)

// walk reads the whole tree below root, up to maxDirs directories, until ctx ends. What it
// cannot read it leaves out.
func walk(ctx context.Context, root string) map[uint64]Place {
	ids := map[uint64]Place{}
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && d != nil && d.IsDir():
			return fs.SkipDir
		case err != nil || !d.IsDir():
			return nil
		case len(ids) >= maxDirs || ctx.Err() != nil:
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone already
		}
		if n, known := inodeOf(info); known {
			ids[n] = PlaceOf(path[len(root):])
		}
		return nil
	})
	return ids
}

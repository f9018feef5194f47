package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	height  = 8
	width   = 1 << height
	bundles = -1 // the level of entry bundles
)

// files reads the tiles of a ledger, and is the tlog.TileReader that a tlog.TileHashReader wants. `proven` has the
// tiles that were found to be of the signed tree.
type files struct {
	folder string
	proven map[tlog.Tile][]byte
}

// read returns a file of the ledger; links are not followed out of it.
func (f *files) read(path string) ([]byte, error) {
	target, err := filepath.EvalSymlinks(filepath.Join(f.folder, path))
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(target, f.folder+string(filepath.Separator)) {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(target)
}

// pathOf turns sumdb's tile/8/0/000 and tile/8/data/000 into tile/0/000 and tile/entries/000.
func pathOf(level int, n int64, w int) string {
	path := tlog.Tile{H: height, L: level, N: n, W: w}.Path()
	path = strings.TrimPrefix(path, fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// tile returns the bytes of a tile or bundle, or of the full one in place of a partial one, and whether they are the
// full one's; nil if there are none.
func (f *files) tile(level int, n int64, w int) ([]byte, bool) {
	data, err := f.read(pathOf(level, n, w))
	if err == nil || w == width {
		return data, w == width
	}
	data, _ = f.read(pathOf(level, n, width))
	return data, true
}

// hashes returns the hashes of a tile as bytes. Only a partial tile of level 0 must end where it should: a longer one
// elsewhere serves whoever holds a younger checkpoint.
func (f *files) hashes(level int, n int64, w int) ([]byte, error) {
	data, full := f.tile(level, n, w)
	wanted := w * tlog.HashSize
	if len(data) < wanted || len(data) > wanted && level == 0 && !full {
		return nil, fmt.Errorf("%s has %d bytes, not %d", pathOf(level, n, w), len(data), wanted)
	}
	return data[:wanted], nil
}

func (f *files) Height() int { return height }

func (f *files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := f.hashes(t.L, t.N, t.W)
		if err != nil {
			return nil, err
		}
		found[i] = data
	}
	return found, nil
}

// SaveTiles is called with tiles that the library has led back to the signed root.
func (f *files) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		f.proven[t] = data[i]
	}
}

// tileOf returns the widest tile in a tree of `size` leaves that has the hash with a storage index.
func tileOf(index, size int64) tlog.Tile {
	t := tlog.TileForIndex(height, index)
	t.W = width
	if left := size>>(height*t.L) - t.N*width; left < width {
		t.W = int(left)
	}
	return t
}

// provenHashes reads hashes of the signed tree: out of tiles that are proven already, else through TileHashReader.
func (f *files) provenHashes(head *checkpoint) tlog.HashReader {
	f.proven = map[tlog.Tile][]byte{}
	prover := tlog.TileHashReader(tlog.Tree{N: head.size, Hash: head.root}, f)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			t := tileOf(index, head.size)
			data, known := f.proven[t]
			if !known {
				return prover.ReadHashes(indexes)
			}
			hash, err := tlog.HashFromTile(t, data, index)
			if err != nil {
				return nil, err
			}
			found[i] = hash
		}
		return found, nil
	})
}

// claimedHashes reads hashes as the tiles have them: good for a proof, which is checked anyway.
func (f *files) claimedHashes(size int64) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			t := tileOf(index, size)
			data, err := f.hashes(t.L, t.N, t.W)
			if err != nil {
				return nil, err
			}
			if found[i], err = tlog.HashFromTile(t, data, index); err != nil {
				return nil, err
			}
		}
		return found, nil
	})
}

// stored is a whole tree in memory, built from its leaves.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = s[index]
	}
	return found, nil
}

func grow(leaves []tlog.Hash) (stored, error) {
	var all stored
	for n, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(n), leaf, all)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

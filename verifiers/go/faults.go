package main

import (
	"bytes"
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// A tree is what the files of a ledger say of it: once by its entries, once by its lowest tiles.
type tree struct {
	files   *files
	head    *checkpoint
	entries []tlog.Hash // a leaf for each place; the tile's, or zeros, where there is no entry
	tiles   []tlog.Hash
	present []bool // whether there is an entry for the place
	gaps    bool
	unlike  []unlike
}

// unlike is a place where entry and tile disagree; nil where there is none.
type unlike struct {
	place      int64
	leaf, said *tlog.Hash
}

// readTree reads bundles and tiles of level 0, up to where neither is there: the size may be any number.
func readTree(files *files, head *checkpoint, report *Report) *tree {
	t := &tree{files: files, head: head}
	for first := int64(0); first < head.size; first += width {
		w := width
		if head.size-first < width {
			w = int(head.size - first)
		}
		before := len(report.Findings)
		leaves := readBundle(files, first, w, report)
		said, err := files.hashes(0, first/width, w)
		nothing := len(leaves) == 0 && err != nil
		if nothing {
			report.Findings = report.Findings[:before]
			report.atEntry(first, "entries-missing", "neither entries nor a tile from here on")
		}
		if err != nil {
			report.atPath(pathOf(0, first/width, w), "ledger-damaged", "the tile: %v", err)
		}
		t.take(first, w, leaves, split(said))
		if nothing {
			break
		}
	}
	return t
}

// take adds the leaves of a bundle and of its tile; the entries stand in for a tile that cannot be had.
func (t *tree) take(first int64, w int, leaves, said []tlog.Hash) {
	if said == nil {
		said = leaves
		if len(said) > w {
			said = said[:w]
		}
	}
	for i := 0; i < w || i < len(leaves); i++ {
		place := unlike{place: first + int64(i)}
		var leaf, kept tlog.Hash
		if i < len(said) {
			kept = said[i]
			place.said = &said[i]
		}
		if leaf = kept; i < len(leaves) {
			leaf = leaves[i]
			place.leaf = &leaves[i]
		}
		if i < w {
			t.entries, t.tiles = append(t.entries, leaf), append(t.tiles, kept)
			t.present = append(t.present, place.leaf != nil)
			t.gaps = t.gaps || place.leaf == nil
		}
		if (place.leaf == nil) != (place.said == nil) || leaf != kept {
			t.unlike = append(t.unlike, place)
		}
	}
}

// readBundle returns the leaf hashes of the entries in a bundle, as many as there are.
func readBundle(files *files, first int64, w int, report *Report) []tlog.Hash {
	data, full := files.tile(bundles, first/width, w)
	if data == nil {
		report.atEntry(first, "entries-missing", "the bundle is not there")
		return nil
	}
	var leaves []tlog.Hash
	for len(data) >= 2 && len(data)-2 >= int(data[0])<<8+int(data[1]) {
		end := 2 + int(data[0])<<8 + int(data[1])
		leaves = append(leaves, tlog.RecordHash(data[2:end]))
		data = data[end:]
	}
	if len(data) > 0 {
		report.atEntry(first+int64(len(leaves)), "ledger-damaged", "the bundle is torn after %d entries", len(leaves))
	}
	if full && w < width && len(leaves) > w {
		leaves = leaves[:w] // a full bundle serves whoever holds an older checkpoint
	}
	if len(leaves) > w {
		report.atEntry(first, "entry-inserted", "the bundle holds %d more than the checkpoint covers", len(leaves)-w)
	}
	if len(leaves) < w {
		report.atEntry(first+int64(len(leaves)), "entries-missing", "%d entries from here on", w-len(leaves))
	}
	return leaves
}

func split(data []byte) []tlog.Hash {
	var hashes []tlog.Hash
	for ; len(data) > 0; data = data[tlog.HashSize:] {
		var hash tlog.Hash
		copy(hash[:], data)
		hashes = append(hashes, hash)
	}
	return hashes
}

// rootOf returns the tree over `leaves` and its root.
func rootOf(leaves []tlog.Hash) (stored, tlog.Hash) {
	if len(leaves) == 0 {
		return nil, sha256.Sum256(nil)
	}
	all, err := grow(leaves)
	if err != nil {
		return nil, tlog.Hash{}
	}
	root, err := tlog.TreeHash(int64(len(leaves)), all)
	if err != nil {
		return nil, tlog.Hash{}
	}
	return all, root
}

// nameFaults tells by the signed root who is right where entries and tiles disagree.
func (t *tree) nameFaults(report *Report) {
	all, root := rootOf(t.entries)
	if root == t.head.root {
		t.checkUpper(all, report)
	}
	if root == t.head.root && !t.gaps {
		if len(t.unlike) > 0 {
			report.atEntry(t.unlike[0].place, "ledger-damaged", "%d places are not as the tree has them", len(t.unlike))
		}
		return
	}
	t.nameMoved(report)
	if t.gaps {
		return
	}
	if _, root := rootOf(t.tiles); len(t.unlike) == 0 || root != t.head.root {
		report.add("root-mismatch", "the %d entries do not give the root that was signed", t.head.size)
	}
}

// nameMoved says what happened to entries that are not where the tiles have them.
func (t *tree) nameMoved(report *Report) {
	kept, found := map[tlog.Hash]bool{}, map[tlog.Hash]bool{}
	for _, u := range t.unlike {
		if u.said != nil {
			kept[*u.said] = true
		}
		if u.leaf != nil {
			found[*u.leaf] = true
		}
	}
	same := len(kept) == len(found)
	last := int64(-2)
	for _, u := range t.unlike {
		same = same && (u.leaf == nil || kept[*u.leaf])
	}
	for _, u := range t.unlike {
		foreign, lost := u.leaf != nil && !kept[*u.leaf], u.said != nil && !found[*u.said]
		switch {
		case foreign && lost:
			report.atEntry(u.place, "entry-edited", "it is not the entry that the tree holds")
		case foreign:
			report.atEntry(u.place, "entry-inserted", "the tree does not hold it")
		case lost && u.leaf != nil:
			report.atEntry(u.place, "entries-missing", "the entry that the tree holds here is gone")
		case same && u.leaf != nil:
			if u.place != last+1 {
				report.atEntry(u.place, "entries-reordered", "the tree holds the entries from here on at other places")
			}
			last = u.place
		}
	}
}

// checkUpper compares the tiles above level 0 with those that the entries give.
func (t *tree) checkUpper(all stored, report *Report) {
	for level := 1; t.head.size>>(height*level) > 0; level++ {
		count := t.head.size >> (height * level)
		for n := int64(0); n*width < count; n++ {
			w := width
			if count-n*width < width {
				w = int(count - n*width)
			}
			wanted, err := tlog.ReadTileData(tlog.Tile{H: height, L: level, N: n, W: w}, all)
			found, err2 := t.files.hashes(level, n, w)
			if err != nil || err2 != nil || !bytes.Equal(wanted, found) {
				report.atPath(pathOf(level, n, w), "ledger-damaged", "the tile is missing or not what the entries give")
			}
		}
	}
}

// proveEntries has the library prove each entry to be in the signed tree, and counts those that it could.
func proveEntries(files *files, t *tree, report *Report) int64 {
	head, proved, clean := t.head, int64(0), len(report.Findings) == 0
	hashes := files.provenHashes(head)
	for n, leaf := range t.entries {
		if !t.present[n] {
			continue
		}
		proof, err := tlog.ProveRecord(head.size, int64(n), hashes)
		if err == nil {
			err = tlog.CheckRecord(proof, head.size, head.root, int64(n), leaf)
		}
		if err == nil {
			proved++
		} else if clean {
			report.atEntry(int64(n), "ledger-damaged", "it cannot be proved to be in the tree: %v", err)
			return proved
		}
	}
	return proved
}

// checkPrefix says whether the log begins with the tree of the earlier checkpoint: by the entries, or by a proof.
func checkPrefix(files *files, t *tree, earlier *checkpoint, report *Report) bool {
	if earlier.size > int64(len(t.entries)) {
		return false // it reaches beyond what is there, which is a finding already
	}
	if _, root := rootOf(t.entries[:earlier.size]); root == earlier.root {
		return true
	}
	proof, err := tlog.ProveTree(t.head.size, earlier.size, files.claimedHashes(t.head.size))
	if err == nil {
		err = tlog.CheckTree(proof, t.head.size, t.head.root, earlier.size, earlier.root)
	}
	if err != nil {
		report.atEntry(earlier.size-1, "log-forked", "its first %d entries are not those of the earlier checkpoint", earlier.size)
	}
	return err == nil
}

// Verify-tiles judges the tree of a synthtrail ledger with the packages that Go's own checksum database is built on.
//
//	verify-tiles -vkey KEY -origin ORIGIN [-since CHECKPOINT] LEDGER
//
// KEY and ORIGIN are the members `sequencer` and `origin` of the policy, which the verifier has from elsewhere; LEDGER
// is the folder; CHECKPOINT is a file with a signed checkpoint kept from earlier. It prints one JSON object: the
// findings, under the codes of docs/ledger-specification.md; how many entries were proved to be in the signed tree; the
// codes that it judges, and for every other code why it is not checked. It writes nothing and asks no network.
//
// Exit code 0: all that it judges holds. 1: a finding. 2: there is nothing that it can judge.
//
// It builds without a network from Debian's packages golang-go and golang-golang-x-mod-dev:
//
//	cd verifiers/go
//	GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= go build -o /tmp/verify-tiles .
//
// What is believed comes from golang.org/x/mod/sumdb: note.Open for signatures; tlog.RecordHash, tlog.TileHashReader
// (height 8) and tlog.CheckRecord for every entry; tlog.CheckTree for an earlier checkpoint. A ledger is C2SP
// tlog-tiles, which is not sumdb, so two adapters stand between: tiles.go gives paths (tile/0/000.p/3 instead of
// tile/8/0/000.p/3), checkpoint.go reads the three lines of a checkpoint (tlog.ParseTree wants another first line) and
// adds the strictness that note.Open lacks. faults.go then tells faults apart and names them; it raises no verdict to
// a pass: an entry that CheckRecord does not prove is a finding whatever faults.go thinks of it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
)

// A Finding is one fault, as `synthtrail verify --json` has it.
type Finding struct {
	Code  string  `json:"code"`
	Entry *int64  `json:"entry"`
	Path  *string `json:"path"`
	Text  string  `json:"text"`
}

// A Report is what is printed.
type Report struct {
	Origin     string            `json:"origin"`
	Size       int64             `json:"size"`
	Root       string            `json:"root"`
	OK         bool              `json:"ok"`
	Proved     int64             `json:"proved"`     // entries that CheckRecord proved to be in the signed tree
	Consistent bool              `json:"consistent"` // whether an earlier checkpoint was brought, and is a prefix
	Findings   []Finding         `json:"findings"`
	Judges     map[string]string `json:"judges"`
	NotChecked map[string]string `json:"notChecked"`
}

func (r *Report) add(code, format string, args ...any) *Finding {
	r.Findings = append(r.Findings, Finding{Code: code, Text: fmt.Sprintf(format, args...)})
	return &r.Findings[len(r.Findings)-1]
}

func (r *Report) atEntry(entry int64, code, format string, args ...any) {
	r.add(code, format, args...).Entry = &entry
}

func (r *Report) atPath(path, code, format string, args ...any) {
	r.add(code, format, args...).Path = &path
}

// verify judges the ledger in `folder`; `since` is nil if no earlier checkpoint is brought.
func verify(folder string, pin *pin, since []byte) *Report {
	report := &Report{Origin: pin.origin, Findings: []Finding{}, Judges: judges, NotChecked: notChecked}
	files := &files{folder: folder}
	head := openHead(files, pin, report)
	if head == nil {
		return report
	}
	report.Size, report.Root = head.size, fmt.Sprintf("%x", head.root[:])
	earlier := openEarlier(since, head, pin, report)
	tree := readTree(files, head, report)
	tree.nameFaults(report)
	report.Proved = proveEntries(files, tree, report)
	if earlier != nil {
		report.Consistent = checkPrefix(files, tree, earlier, report)
	}
	report.OK = len(report.Findings) == 0
	return report
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "verify-tiles: "+format+"\n", args...)
	os.Exit(2)
}

func main() {
	vkey := flag.String("vkey", "", "the pinned key of the sequencer (required)")
	origin := flag.String("origin", "", "the pinned origin of the ledger (required)")
	kept := flag.String("since", "", "file with a signed checkpoint kept from earlier")
	flag.Parse()
	if flag.NArg() != 1 || *vkey == "" || *origin == "" {
		flag.Usage()
		os.Exit(2)
	}
	verifier, err := note.NewVerifier(*vkey)
	if err != nil || weakKey(*vkey) {
		fail("-vkey: not a key that may be pinned")
	}
	folder, err := filepath.EvalSymlinks(flag.Arg(0))
	if err != nil {
		fail("%v", err)
	}
	var since []byte
	if *kept != "" {
		if since, err = os.ReadFile(*kept); err != nil {
			fail("%v", err)
		}
		if since == nil {
			since = []byte{}
		}
	}
	report := verify(folder, &pin{*origin, verifier}, since)
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(report); err != nil {
		fail("%v", err)
	}
	if !report.OK {
		os.Exit(1)
	}
}

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxNote       = 262_144
	maxSignatures = 100
	dash          = "— "
)

// A pin is what the verifier has from elsewhere.
type pin struct {
	origin   string
	verifier note.Verifier
}

// A checkpoint is the head of a log.
type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

// A fault is why data is refused, under the code that it has at the checkpoint of a ledger.
type fault struct{ code, text string }

func (f *fault) Error() string { return f.text }

func damaged(text string) error { return &fault{"ledger-damaged", text} }

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})$`)

// openHead opens the published checkpoint. One that the pinned key did not sign is followed all the same, so that more
// can be found; nil if there is nothing to follow.
func openHead(files *files, pin *pin, report *Report) *checkpoint {
	data, err := files.read("checkpoint")
	if err != nil || len(data) == 0 {
		report.atPath("checkpoint", "nothing-to-check", "there is no checkpoint")
		return nil
	}
	head, err := openCheckpoint(data, pin)
	if err != nil {
		var refused *fault
		errors.As(err, &refused)
		report.atPath("checkpoint", refused.code, "the checkpoint is not the pinned sequencer's: %v", refused)
		return claimed(data)
	}
	if head.size == 0 {
		report.atPath("checkpoint", "nothing-to-check", "the ledger is empty")
		return nil
	}
	return head
}

// claimed is what an unsigned checkpoint says; nil if it says nothing.
func claimed(data []byte) *checkpoint {
	text, _, err := parseNote(data)
	if err != nil {
		return nil
	}
	head, err := parseCheckpoint(text)
	if err != nil {
		return nil
	}
	return head
}

// openEarlier opens the checkpoint that was brought along; nil if there is none, or none that can be evidence.
func openEarlier(since []byte, head *checkpoint, pin *pin, report *Report) *checkpoint {
	if since == nil {
		return nil
	}
	earlier, err := openCheckpoint(since, pin)
	switch {
	case err != nil:
		report.add("proof-malformed", "the earlier checkpoint cannot be used: %v", err)
	case earlier.size == 0:
		report.add("proof-malformed", "an earlier checkpoint of no entries proves nothing")
	case earlier.size > head.size:
		report.atEntry(head.size, "log-rolled-back", "an earlier checkpoint has %d entries", earlier.size)
	default:
		return earlier
	}
	return nil
}

// openCheckpoint gives each signature line to note.Open by itself, which would skip the second line of a key.
func openCheckpoint(data []byte, pin *pin) (*checkpoint, error) {
	text, lines, err := parseNote(data)
	if err != nil {
		return nil, err
	}
	verified := false
	for _, line := range lines {
		_, err := note.Open([]byte(text+"\n"+line+"\n"), note.VerifierList(pin.verifier))
		var other *note.UnverifiedNoteError
		if errors.As(err, &other) {
			continue
		}
		if err != nil {
			return nil, signatureFault(line, err)
		}
		if err := strict(line); err != nil {
			return nil, err
		}
		verified = true
	}
	if !verified {
		return nil, &fault{"key-substituted", "the pinned key did not sign it"}
	}
	head, err := parseCheckpoint(text)
	if err == nil && head.origin != pin.origin {
		return nil, &fault{"event-of-another-ledger", "it is of another origin"}
	}
	return head, err
}

func signatureFault(line string, err error) error {
	if err := strict(line); err != nil {
		return err
	}
	var invalid *note.InvalidSignatureError
	if errors.As(err, &invalid) {
		return &fault{"signature-invalid", err.Error()}
	}
	return damaged(err.Error())
}

// parseNote returns the text of a note and its signature lines, and refuses more than note.Open does: base64 in a
// second spelling, and names that cannot be printed.
func parseNote(data []byte) (string, []string, error) {
	if len(data) > maxNote {
		return "", nil, &fault{"entry-oversized", "a note is at most 256 KiB"}
	}
	control := func(r rune) bool { return r < 0x20 && r != '\n' }
	gap := bytes.LastIndex(data, []byte("\n\n"))
	if !utf8.Valid(data) || bytes.IndexFunc(data, control) >= 0 || !bytes.HasSuffix(data, []byte("\n")) || gap < 0 {
		return "", nil, damaged("not a signed note")
	}
	text, tail := string(data[:gap+1]), strings.TrimSuffix(string(data[gap+2:]), "\n")
	if tail == "" {
		return "", nil, damaged("a note without signatures")
	}
	lines := strings.Split(tail, "\n")
	if len(lines) > maxSignatures {
		return "", nil, &fault{"entry-oversized", "a note has at most 100 signatures"}
	}
	for _, line := range lines {
		if _, err := signatureOf(line); err != nil {
			return "", nil, err
		}
	}
	return text, lines, nil
}

// signatureOf returns the bytes after the key id of a signature line.
func signatureOf(line string) ([]byte, error) {
	parts := strings.Split(strings.TrimPrefix(line, dash), " ")
	if !strings.HasPrefix(line, dash) || len(parts) != 2 {
		return nil, damaged("not a signature line")
	}
	name := parts[0]
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if name == "" || strings.Contains(name, "+") || strings.IndexFunc(name, unprintable) >= 0 {
		return nil, &fault{"statement-malformed", "not a name for a key"}
	}
	data, err := decode(parts[1])
	if err != nil {
		return nil, err
	}
	if len(data) < 5 {
		return nil, damaged("a signature line without a signature")
	}
	return data[4:], nil
}

func decode(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(data) != text {
		return nil, &fault{"signature-malleable", "base64 in another spelling"}
	}
	return data, nil
}

func parseCheckpoint(text string) (*checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || !decimal.MatchString(lines[1]) {
		return nil, damaged("a checkpoint is three lines: origin, size, root")
	}
	root, err := decode(lines[2])
	if err != nil {
		return nil, err
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || len(root) != tlog.HashSize || lines[0] == "" {
		return nil, damaged("a checkpoint needs an origin, a size and a root hash")
	}
	head := &checkpoint{origin: lines[0], size: size}
	copy(head.root[:], root)
	return head, nil
}

// Numbers of Ed25519 (RFC 8032), and y of the points of order 8.
var (
	fieldPrime = number("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed")
	groupOrder = number("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed")
	orderEight = number("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826")
)

func number(digits string) *big.Int {
	n, _ := new(big.Int).SetString(digits, 16)
	return n
}

func littleEndian(data []byte) *big.Int {
	reversed := make([]byte, len(data))
	for i, b := range data {
		reversed[len(data)-1-i] = b
	}
	return new(big.Int).SetBytes(reversed)
}

// weakPoint says whether a point is of low order, or not in its canonical form; crypto/ed25519 takes some of these.
func weakPoint(point []byte) bool {
	y := littleEndian(point)
	y.SetBit(y, 255, 0)
	if y.Cmp(fieldPrime) >= 0 {
		return true
	}
	minus := new(big.Int).Sub(fieldPrime, y)
	one := big.NewInt(1)
	return y.Sign() == 0 || y.Cmp(one) == 0 || minus.Cmp(one) == 0 || y.Cmp(orderEight) == 0 || minus.Cmp(orderEight) == 0
}

func weakKey(vkey string) bool {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := decode(parts[len(parts)-1])
	return err != nil || len(key) != 33 || weakPoint(key[1:])
}

// strict refuses a signature with a second spelling, or one that fits more than one message.
func strict(line string) error {
	sig, err := signatureOf(line)
	switch {
	case err != nil:
		return err
	case len(sig) != 64:
		return &fault{"signature-malleable", "a signature has 64 bytes"}
	case weakPoint(sig[:32]):
		return &fault{"key-weak", "R is of low order or not canonical"}
	case littleEndian(sig[32:]).Cmp(groupOrder) >= 0:
		return &fault{"signature-malleable", "S is not below the group order"}
	}
	return nil
}

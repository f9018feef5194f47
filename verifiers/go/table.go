package main

// What is judged: code, and what is looked at. Faults within an entry (its JSON, its envelope, its number, its link)
// are not, though some of them have a code that stands here for a fault of the tree.
var judges = map[string]string{
	"nothing-to-check":        "there is a checkpoint of at least one entry",
	"signature-invalid":       "the checkpoint's signature fits",
	"signature-malleable":     "the checkpoint's signature and base64 have one spelling",
	"key-weak":                "the checkpoint's signature point is canonical and not of low order",
	"key-substituted":         "the checkpoint is signed with the pinned key",
	"statement-malformed":     "the checkpoint's signature lines have names that keys may have",
	"event-of-another-ledger": "the checkpoint is of the pinned origin",
	"entry-oversized":         "the checkpoint keeps the limits of a note",
	"ledger-damaged":          "the checkpoint is a note of three lines; tiles and bundles are whole and as the tree has them",
	"root-mismatch":           "entries or tiles give the signed root",
	"entry-edited":            "each entry is the one that the tree holds at its place",
	"entries-missing":         "there is an entry for each place of the tree",
	"entry-inserted":          "there is no entry that the tree does not hold",
	"entries-reordered":       "entries stand at the places that the tree has them at",
	"proof-malformed":         "the checkpoint brought along can be used",
	"log-rolled-back":         "the log is not shorter than the checkpoint brought along",
	"log-forked":              "the log begins with the checkpoint brought along",
}

const (
	content  = "entries are hashed, not read"
	rules    = "events are not replayed"
	outside  = "artifacts and records outside the ledger are not looked at"
	evidence = "of the signatures on the checkpoint only the sequencer's is judged"
)

// What is not judged: code, and why.
var notChecked = map[string]string{
	"chain-broken":            content,
	"type-confused":           content,
	"json-duplicate-key":      content,
	"json-number":             content,
	"json-unicode":            content,
	"json-not-canonical":      content,
	"path-unsafe":             content,
	"event-replayed":          rules,
	"signer-unknown":          rules,
	"signer-revoked":          rules,
	"entry-back-dated":        rules,
	"retention-overrun":       rules,
	"disposal-dropped":        rules,
	"disposed-reappears":      rules,
	"self-approval":           rules,
	"acceptance-forged":       rules,
	"status-wrong":            rules,
	"identifying-text":        content,
	"policy-mismatch":         rules,
	"role-wrong":              rules,
	"person-needed":           rules,
	"threshold-missed":        rules,
	"custody-fork":            rules,
	"previous-wrong":          rules,
	"transition-illegal":      rules,
	"answer-wrong":            rules,
	"input-unknown":           rules,
	"record-unknown":          rules,
	"key-rejected":            rules,
	"ledger-closed":           rules,
	"artifact-changed":        outside,
	"folder-changed":          outside,
	"file-not-plain":          outside,
	"file-changing":           outside,
	"erasure-fake":            outside,
	"certificate-wrong":       outside,
	"artifact-never-logged":   outside,
	"artifact-missing":        outside,
	"artifact-absent":         outside,
	"record-pending":          outside,
	"record-superseded":       outside,
	"quorum-missing":          evidence,
	"witness-not-independent": evidence,
	"timestamp-bad":           evidence,
	"check-unavailable":       evidence,
}

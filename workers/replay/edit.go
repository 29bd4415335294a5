package replay

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	maxPatchBytes = 64 << 10
	maxPatchSteps = 200
)

// ErrPatch says that what was given is no JSON Patch.
var ErrPatch = errors.New("must be a JSON Patch (RFC 6902): a list of operations such as [{\"op\": \"replace\", \"path\": \"/ListPrice\", \"value\": 450000}]")

// CheckPatch refuses what is no JSON Patch, or too large a one.
func CheckPatch(patch json.RawMessage) error {
	_, err := decodePatch(patch)
	return err
}

func decodePatch(patch json.RawMessage) (jsonpatch.Patch, error) {
	if len(patch) > maxPatchBytes {
		return nil, fmt.Errorf("%w; of at most %d bytes", ErrPatch, maxPatchBytes)
	}
	steps, err := jsonpatch.DecodePatch(patch)
	if err != nil || len(steps) == 0 || len(steps) > maxPatchSteps {
		return nil, fmt.Errorf("%w; from 1 to %d operations", ErrPatch, maxPatchSteps)
	}
	return steps, nil
}

// refusedEdit is why an edit is not accepted.
type refusedEdit struct {
	why    string // a word
	detail string
}

func (r *refusedEdit) Error() string { return r.why + ": " + r.detail }

// apply changes an event's data. The error is a *refusedEdit. Nothing of the data is in it.
func apply(patch jsonpatch.Patch, data []byte) ([]byte, error) {
	options := jsonpatch.NewApplyOptions()
	options.AccumulatedCopySizeLimit = events.MaxDataBytes
	options.EscapeHTML = false // what is not patched keeps its bytes
	edited, err := patch.ApplyWithOptions(data, options)
	if err != nil {
		return nil, &refusedEdit{leftEditFails, "the patch cannot be applied: " + events.Shorten(err.Error(), 200)}
	}
	return edited, nil
}

// edit changes the data of a whole letter and judges it again: contract and suite must have nothing against it, and it must
// be of the same record. The error is a *refusedEdit.
//
// Invariant 4: tenant and identity are not editable.
func (d *Desk) edit(patch jsonpatch.Patch, l store.DeadLetter) (before, after [32]byte, err error) {
	event, err := events.Decode(l.Message())
	if err != nil {
		return before, after, &refusedEdit{leftUnreadable, err.Error()}
	}
	edited, err := apply(patch, event.Data)
	if err != nil {
		return before, after, err
	}
	before, after = sha256.Sum256(event.Data), sha256.Sum256(edited)
	known := identityOf(event)
	event.Data = edited
	record, err := events.Normalise(event)
	var rejection *events.Rejection
	switch {
	case errors.As(err, &rejection):
		return before, after, &refusedEdit{leftEditInvalid, rejection.Redacted()}
	case err != nil:
		return before, after, err
	}
	if known == "" || record.Key != known {
		return before, after, &refusedEdit{leftEditIdentity, "the record's key must stay as it is"}
	}
	verdict := d.Judge(store.StoredRecord{
		Ref: store.Ref{Type: record.Type, Key: record.Key}, Version: record.Version, Deleted: record.Deleted, Doc: record.Doc, Faults: record.Faults,
	})
	if !verdict.Passed {
		return before, after, &refusedEdit{leftEditInvalid, "fails " + failed(verdict)}
	}
	return before, after, nil
}

// identityOf is the key of the record that an event is about, whatever else is wrong with it; empty where it cannot be told.
func identityOf(event events.Event) string {
	if record, err := events.Normalise(event); err == nil {
		return record.Key
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(event.Data, &members) != nil {
		return event.Subject
	}
	delete(members, events.ModificationTimestamp) // a version that is wrong hides the key
	event.Time, event.Sequence = time.Now(), 0
	var err error
	if event.Data, err = json.Marshal(members); err != nil {
		return ""
	}
	record, err := events.Normalise(event)
	if err != nil {
		return ""
	}
	return record.Key
}

// failed names the expectations of severity error that a verdict tells of.
func failed(verdict store.Verdict) string {
	text := ""
	for _, failure := range verdict.Failures {
		if failure.Severity == store.SeverityError {
			if text != "" {
				text += ", "
			}
			text += failure.Expectation
		}
	}
	return text
}

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"

	"github.com/google/uuid"
)

// selectPage is how many letters are selected at a time.
const selectPage = 1000

// SelectLetters hands over the letters that are meant, newest first, in pages; without headers and payloads unless whole.
// It stops at visit's first error.
func SelectLetters(ctx context.Context, reader LetterReader, meant LetterSelection, whole bool, visit func([]DeadLetter) error) error {
	filter := meant.DeadLetterFilter
	filter.Limit, filter.Whole = selectPage, whole
	if whole {
		filter.Limit = matchPage
	}
	var match *PayloadMatch
	if m, ok := ParsePayloadMatch(meant.Payload); ok {
		match = &m
	}
	for {
		page, err := FindLetters(ctx, reader, filter, match, 0)
		if err != nil {
			return err
		}
		letters := page.Letters
		if meant.Overtaken {
			letters = slices.DeleteFunc(letters, func(l DeadLetter) bool { return !l.Overtaken })
		}
		if len(letters) > 0 {
			if err := visit(letters); err != nil {
				return err
			}
		}
		if page.Next == nil {
			return nil
		}
		filter.After = *page.Next
	}
}

// LettersDigest is the SHA-256 over letters' ids, sorted: whoever has the list can prove that it is this one.
func LettersDigest(ids []uuid.UUID) []byte {
	sorted := slices.SortedFunc(slices.Values(ids), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	digest := sha256.New()
	for _, id := range sorted {
		digest.Write(id[:])
	}
	return digest.Sum(nil)
}

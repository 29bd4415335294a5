package embedding

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a word or a number of a text.
type token struct {
	start, end int32 // in scratch.lower
	line       int32
	number     bool
	dollars    bool // a currency sign stands before the number
	fresh      bool // punctuation or a line's end stands before it: it does not belong to the token before
	spent      bool // said by a number's feature already
	hundredths uint64
}

func (s *scratch) text(t token) []byte { return s.lower[t.start:t.end] }

// breaks end a phrase: a number does not belong to a word behind them.
const breaks = ",;.!?()[]{}|/\""

// tokenise splits a text into words and numbers.
func (s *scratch) tokenise(text string) {
	s.lower, s.tokens, s.lines = s.lower[:0], s.tokens[:0], append(s.lines[:0], 0)
	fresh, dollars := true, false
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			i = s.numberToken(text, i, fresh, dollars)
		case isWordByte(c):
			i = s.wordToken(text, i, fresh)
		default:
			if c == '\n' {
				s.lines = append(s.lines, 0)
			}
			fresh = fresh || c == '\n' || strings.IndexByte(breaks, c) >= 0
			dollars = c == '$'
			i++
			continue
		}
		fresh, dollars = false, false
	}
}

// isWordByte takes every byte of a letter beyond ASCII for a part of a word.
func isWordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf
}

func (s *scratch) push(t token) {
	t.line = int32(len(s.lines) - 1)
	t.end = int32(len(s.lower))
	if t.end == t.start {
		return
	}
	s.lines[t.line]++
	s.tokens = append(s.tokens, t)
}

// wordToken reads the word that begins at i. Letters beyond ASCII are lowered; dashes and other signs among them end
// it. An apostrophe is left out: owner's is owners.
func (s *scratch) wordToken(text string, i int, fresh bool) int {
	t := token{start: int32(len(s.lower)), fresh: fresh}
	for i < len(text) {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(text[i:])
			i += size
			if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
				s.push(t)
				return i
			}
			s.lower = utf8.AppendRune(s.lower, unicode.ToLower(r))
			continue
		case c >= 'A' && c <= 'Z':
			s.lower = append(s.lower, c|0x20)
		case isWordByte(c):
			s.lower = append(s.lower, c)
		case c != '\'':
			s.push(t)
			return i
		}
		i++
	}
	s.push(t)
	return i
}

// maxHundredths is where numbers stop growing: beyond every price.
const maxHundredths = 1_000_000_000_000_000

// numberToken reads the number that begins at i: 3, 450,000, 2.25, 600k, 1.2m. Letters right behind it are the next
// token (3br), but an ordinal is one word (2nd).
func (s *scratch) numberToken(text string, i int, fresh, dollars bool) int {
	t := token{start: int32(len(s.lower)), fresh: fresh, number: true, dollars: dollars}
	decimals := -1 // digits behind the point; -1 before it
	for ; i < len(text); i++ {
		c := text[i]
		if c >= '0' && c <= '9' {
			s.lower = append(s.lower, c)
			if decimals < 2 && t.hundredths < maxHundredths {
				t.hundredths = t.hundredths*10 + uint64(c-'0')
				if decimals >= 0 {
					decimals++
				}
			}
			continue
		}
		digitBehind := i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9'
		if c == ',' && decimals < 0 && thousands(text[i+1:]) {
			continue
		}
		if c != '.' || decimals >= 0 || !digitBehind {
			break
		}
		s.lower = append(s.lower, c)
		decimals = 0
	}
	for decimals = max(decimals, 0); decimals < 2; decimals++ {
		t.hundredths *= 10
	}
	suffix := suffixOf(text[i:])
	switch strings.ToLower(suffix) {
	case "k":
		t.hundredths, i = min(t.hundredths, maxHundredths/1000)*1000, i+1
	case "m":
		t.hundredths, i = min(t.hundredths, maxHundredths/1_000_000)*1_000_000, i+1
	case "st", "nd", "rd", "th":
		s.lower = append(s.lower, bytes.ToLower([]byte(suffix))...)
		t.number, i = false, i+2
	}
	t.hundredths = min(t.hundredths, maxHundredths)
	s.push(t)
	return i
}

// thousands says whether exactly three digits follow: the comma before them is within a number.
func thousands(text string) bool {
	digits := 0
	for digits < len(text) && digits < 4 && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	return digits == 3
}

// suffixOf gives the letters right behind a number, as far as they could matter.
func suffixOf(text string) string {
	end := 0
	for end < len(text) && end < 3 && isWordByte(text[end]) {
		end++
	}
	return text[:end]
}

package embedding

import "unicode/utf8"

// entry is a distinct word.
type entry struct {
	hash   uint64
	token  int32 // where it first occurs
	weight int64 // of the line where it weighs most
	count  int32 // how often it occurs; 0 = the place is free
}

// fullLine is how many words of a line weigh fully. A line of n words beyond it weighs what fullLine words weigh.
const fullLine = 12

// lineWeight is what a word weighs in a line of n words.
func lineWeight(n int32) int64 {
	if n <= fullLine {
		return unitWeight
	}
	return unitWeight * unitWeight / rootOf(unitWeight*unitWeight*int64(n)/fullLine)
}

// rootOf is the integer square root, by Newton's method.
func rootOf(n int64) int64 {
	if n < 2 {
		return n
	}
	root := n
	for next := (root + 1) / 2; next < root; next = (root + n/root) / 2 {
		root = next
	}
	return root
}

// countWords fills the table of distinct words.
func (s *scratch) countWords() {
	size := 64
	for size < 2*len(s.tokens) {
		size *= 2
	}
	if cap(s.words) < size {
		s.words = make([]entry, size)
	}
	s.words = s.words[:size]
	clear(s.words)
	line, weight := int32(-1), int64(0)
	for i, t := range s.tokens {
		if t.spent {
			continue
		}
		word := s.text(t)
		if roles[string(word)]&silent != 0 {
			continue
		}
		if t.line != line {
			line, weight = t.line, lineWeight(s.lines[t.line])
		}
		hash := hashBytes(hashSeed, word)
		at := finish(hash) & uint64(size-1)
		for s.words[at].count > 0 && s.words[at].hash != hash {
			at = (at + 1) & uint64(size-1)
		}
		e := &s.words[at]
		if e.count == 0 {
			e.hash, e.token = hash, int32(i)
		}
		e.count++
		e.weight = max(e.weight, weight)
	}
}

// sublinear is 1+ln(n), in thousandths.
var sublinear = [...]int64{0, 1000, 1693, 2099, 2386, 2609, 2792, 2946, 3079, 3197, 3303, 3398, 3485, 3565, 3639, 3708, 3773}

// What a word's parts weigh, against the word itself, in thousandths. Its 3–5-grams share partsWeight.
const (
	partsWeight  = 1300
	numberWeight = 600 // of a number that nothing explains: a house number, a model
)

func (s *scratch) addWords() {
	for i := range s.words {
		e := &s.words[i]
		if e.count == 0 {
			continue
		}
		t := s.tokens[e.token]
		weight := e.weight * sublinear[min(int(e.count), len(sublinear)-1)] / unitWeight
		isPostalCode := t.number && t.end-t.start == 5
		if t.number && !isPostalCode {
			s.sums.addWord(e.hash, weight*numberWeight/unitWeight)
			continue
		}
		s.sums.addWord(e.hash, weight)
		s.addParts(s.text(t), weight*partsWeight/unitWeight)
	}
}

// addWord puts a word on four dimensions, of half its weight each. On one alone, a word that no text holds would find
// every text whose words met it there by accident.
func (s *sums) addWord(hash uint64, weight int64) {
	for range 4 {
		hash = finish(hash + hashPrime)
		s.add(hash, weight/2)
	}
}

// The lengths of a word's parts, in characters, the marks of its ends among them.
const (
	shortestPart = 3
	longestPart  = 5
	maxWordRunes = 48 // of longer words only these have parts
	endMark      = 0  // stands before the first and behind the last character
)

// addParts adds the character 3–5-grams of a word, which share weight among them by their squares.
func (s *scratch) addParts(word []byte, weight int64) {
	var starts [maxWordRunes + 4]int // of each character in marked, and its end
	var marked [maxWordRunes*utf8.UTFMax + 2]byte
	length := 1 // of marked, which begins with a mark
	characters := 1
	for i := 0; i < len(word) && characters <= maxWordRunes; {
		_, size := utf8.DecodeRune(word[i:])
		starts[characters] = length
		length += copy(marked[length:], word[i:i+size])
		i += size
		characters++
	}
	starts[characters] = length
	marked[length] = endMark
	characters++
	starts[characters] = length + 1

	parts := 0
	for n := shortestPart; n <= longestPart; n++ {
		parts += max(characters-n+1, 0)
	}
	if parts == 0 {
		return
	}
	each := weight * unitWeight / rootOf(int64(parts)*unitWeight*unitWeight)
	for first := 0; first+shortestPart <= characters; first++ {
		hash := hashByte(hashSeed, '#') // apart from whole words
		for last := first; last < min(first+longestPart, characters); last++ {
			for _, c := range marked[starts[last]:starts[last+1]] {
				hash = hashByte(hash, c)
			}
			if last-first+1 >= shortestPart {
				s.sums.add(finish(hash), each)
			}
		}
	}
}

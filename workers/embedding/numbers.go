package embedding

import (
	"math/bits"
	"strings"
)

// role is what a word means to the numbers beside it. Roles combine.
type role uint16

const (
	silent   role = 1 << iota // says nothing by itself
	filler                    // may stand between a label and its number: "price of 450000"
	bedrooms                  // unit or label of …
	bathrooms
	price
	area
	lot
	acres
	stories
	year
)

// roles of the words that have one. Units and labels are words like others where no number stands beside them.
var roles = newRoles(map[role]string{
	silent | filler: "a an the of is at about around approximately roughly only just in on to",
	silent:          "and or with for by from this that it its has have are be as status ft feet foot more less than",
	silent | price:  "under below over above between up max maximum min minimum budget",
	price:           "price priced asking listed cost costs dollars usd",
	bedrooms:        "bedrooms bedroom beds bed br brs bd bds bdrm bdrms",
	bathrooms:       "bathrooms bathroom baths bath ba bas",
	area:            "sqft sf sq square area size",
	lot:             "lot",
	acres:           "acres acre",
	stories:         "stories story storey storeys floors",
	year:            "built since",
})

func newRoles(words map[role]string) map[string]role {
	all := map[string]role{}
	for role, list := range words {
		for _, word := range strings.Fields(list) {
			all[word] |= role
		}
	}
	return all
}

// bucketing says how a quantity's numbers fall into buckets, and what they weigh.
type bucketing struct {
	seed      byte
	low, high uint64 // hundredths that are plausible
	// position gives a number's place in 256ths of a bucket.
	position func(hundredths uint64) int64
	reach    int64 // buckets on either side that a number touches, less and less
	weight   int64
}

var bucketings = map[role]bucketing{
	bedrooms:  {'b', 0, 99_00, linear(100), 2, 1500},
	bathrooms: {'t', 0, 99_00, linear(100), 2, 1100},
	stories:   {'s', 0, 300_00, linear(100), 2, 700},
	price:     {'p', 1_000_00, maxHundredths, logarithmic, 4, 1600},
	area:      {'a', 50_00, maxHundredths, logarithmic, 4, 1300},
	lot:       {'l', 50_00, maxHundredths, logarithmic, 6, 500},
	acres:     {'c', 1, maxHundredths, logarithmic, 6, 500},
	year:      {'y', 1600_00, 2200_00, linear(5_00), 4, 900},
}

// linear has buckets of this many hundredths.
func linear(width uint64) func(uint64) int64 {
	return func(hundredths uint64) int64 { return int64(hundredths * 256 / width) }
}

// logarithmic has eight buckets from a number to its double. Between powers of two it is a straight line: near
// enough, and the same on every machine.
func logarithmic(hundredths uint64) int64 {
	octave := bits.Len64(hundredths) - 1
	return int64(octave)<<11 + int64(hundredths<<(63-octave)<<1>>53)
}

// plausible doubts what a word says of a number: "under 3" is no price.
func (b bucketing) plausible(hundredths uint64) bool {
	return hundredths >= b.low && hundredths <= b.high
}

// addNumbers turns the numbers that words explain into features, and marks them and those words as spent.
func (s *scratch) addNumbers() {
	for i := range s.tokens {
		t := &s.tokens[i]
		if !t.number {
			continue
		}
		kind, by := s.quantityOf(i)
		b, ok := bucketings[kind]
		if !ok || !b.plausible(t.hundredths) {
			continue
		}
		s.sums.addQuantity(b, t.hundredths)
		t.spent = kind != year // people also search for the year itself
		s.tokens[by].spent = true
	}
}

// quantityOf says what the number at i counts and which token says so: the unit behind it, else the label before it,
// else its own size or currency. 0 where nothing does.
func (s *scratch) quantityOf(i int) (kind role, by int) {
	label, at := s.labelBefore(i)
	if i+1 < len(s.tokens) && !s.tokens[i+1].fresh && !s.tokens[i+1].number {
		unit := roles[string(s.text(s.tokens[i+1]))] &^ (silent | filler)
		switch {
		case unit == area && label == lot:
			s.tokens[i+1].spent = true
			return lot, at
		case unit != 0 && unit != year && unit != lot && bucketings[unit].plausible(s.tokens[i].hundredths):
			return unit, i + 1
		}
	}
	switch {
	case label != 0 && bucketings[label].plausible(s.tokens[i].hundredths):
		return label, at
	case s.tokens[i].dollars, s.tokens[i].hundredths >= 100_000_00:
		return price, i
	}
	return 0, i
}

// labelBefore gives the role of the word before the number at i, and where it stands; one filler may stand between.
func (s *scratch) labelBefore(i int) (label role, at int) {
	for at = i - 1; at >= max(i-2, 0) && !s.tokens[at+1].fresh && !s.tokens[at].number; at-- {
		label = roles[string(s.text(s.tokens[at]))]
		if label&filler == 0 {
			return label &^ silent, at
		}
	}
	return 0, i
}

// addQuantity adds the buckets that a number touches: a triangle around it, of the quantity's weight.
func (s *sums) addQuantity(b bucketing, hundredths uint64) {
	position := b.position(hundredths)
	centre := position >> 8
	length := rootOf(triangle(b.reach)) // of the triangle, in 256ths
	for bucket := centre - b.reach + 1; bucket <= centre+b.reach; bucket++ {
		distance := max(position-bucket<<8, bucket<<8-position)
		if height := b.reach<<8 - distance; height > 0 {
			hash := hashByte(hashByte(hashSeed, '='), b.seed)
			s.add(finish(hash^uint64(bucket+1)*hashPrime), b.weight*height/length)
		}
	}
}

// triangle is the sum of the squared heights of a triangle that stands on a bucket.
func triangle(reach int64) int64 {
	sum := reach * reach
	for height := int64(1); height < reach; height++ {
		sum += 2 * height * height
	}
	return sum << 16
}

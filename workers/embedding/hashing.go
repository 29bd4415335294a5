package embedding

import (
	"context"
	"math"
	"sync"
)

const (
	hashingModel      = "reos-hash-v1"
	hashingDimensions = 384
	hashingMaxBatch   = 1024
	// maxTextBytes bounds what is read of one text; what is behind has no say.
	maxTextBytes = 64 << 10
)

// Hashing is the built-in embedder. It compares words, not meanings: "house" and "home" have nothing in common. It
// needs no service and no training data, and gives the same vector in every process and on every architecture: all
// sums are of integers.
//
// A text's features are hashed onto 384 dimensions, each with a sign, so that accidental meetings cancel out:
//   - each word, weighted by 1+ln of how often it occurs, and its character 3–5-grams, which forgive typing errors;
//   - each number that a word beside it explains (3 bedrooms, under 600000, built 1955), as overlapping buckets, so
//     that near numbers are near;
//   - the words of a long line weigh less than those of a short one: remarks do not drown facts.
type Hashing struct{}

// NewHashing makes the embedder. It holds nothing.
func NewHashing() Hashing { return Hashing{} }

// Model implements Embedder.
func (Hashing) Model() string { return hashingModel }

// Dimensions implements Embedder.
func (Hashing) Dimensions() int { return hashingDimensions }

// MaxBatch implements Embedder.
func (Hashing) MaxBatch() int { return hashingMaxBatch }

// Embed implements Embedder. It fails only when ctx has ended.
func (Hashing) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		vectors[i] = s.embed(text)
	}
	return vectors, nil
}

// scratch is the memory of one text's work, reused for the next.
type scratch struct {
	lower  []byte  // the tokens' text, lower case
	tokens []token // in their order
	lines  []int32 // words per line
	words  []entry // distinct words, an open-addressing table; its length is a power of two
	sums   sums
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

// embed gives one text's vector: never zero, never NaN. A text without features lies on the first axis.
func (s *scratch) embed(text string) []float32 {
	if len(text) > maxTextBytes {
		text = text[:maxTextBytes]
	}
	s.sums = sums{}
	s.tokenise(text)
	s.addNumbers()
	s.countWords()
	s.addWords()
	return s.sums.unit()
}

// sums are the dimensions as they grow. unitWeight stands for 1. Integers add up the same in any order and on any
// machine; maxTextBytes keeps the squares' sum within an int64.
type sums [hashingDimensions]int64

const unitWeight = 1000

// add puts a feature on its dimension.
func (s *sums) add(hash uint64, weight int64) {
	dimension := (hash >> 32) * hashingDimensions >> 32
	sign := int64(hash&1)*2 - 1
	s[dimension] += sign * weight
}

// unit gives the sums as a vector of length 1. Square root and division are exact to the last bit by IEEE 754.
func (s *sums) unit() []float32 {
	vector := make([]float32, hashingDimensions)
	var squares int64
	for _, sum := range s {
		squares += sum * sum
	}
	if squares == 0 {
		vector[0] = 1
		return vector
	}
	length := math.Sqrt(float64(squares))
	for i, sum := range s {
		vector[i] = float32(float64(sum) / length)
	}
	return vector
}

// FNV-1a, and a finisher that spreads short inputs over all bits.
const (
	hashSeed  uint64 = 14695981039346656037
	hashPrime uint64 = 1099511628211
)

func hashByte(hash uint64, c byte) uint64 { return (hash ^ uint64(c)) * hashPrime }

func hashBytes(hash uint64, text []byte) uint64 {
	for _, c := range text {
		hash = hashByte(hash, c)
	}
	return hash
}

func finish(hash uint64) uint64 {
	hash ^= hash >> 33
	hash *= 0xff51afd7ed558ccd
	hash ^= hash >> 33
	hash *= 0xc4ceb9fe1a85ec53
	return hash ^ hash>>33
}

package embedding

import (
	"context"
	"crypto/sha256"
)

// Embedder turns texts into vectors. Records and search queries go through the same embedder; both are plain text, so
// that a model service needs nothing else. Implementations are safe for concurrent use.
type Embedder interface {
	// Model names the model and its edition. Vectors of different models are not comparable and never mixed: a
	// change that moves vectors needs a new name.
	Model() string
	// Dimensions is the length of every vector.
	Dimensions() int
	// MaxBatch is how many texts one call takes at most.
	MaxBatch() int
	// Embed returns one vector of unit length for each text, in their order. It fails as a whole.
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// ContentHash identifies a text: what has the same hash has the same vector of one model.
func ContentHash(text string) [32]byte { return sha256.Sum256([]byte(text)) }

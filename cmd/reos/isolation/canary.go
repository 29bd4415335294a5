package isolation

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Canary is a tenant with something of it in every place. All of it follows from the tenant's id: who plants it again
// plants the same.
type Canary struct {
	store.Tenant

	// Mark is in the names of all that is the canary's: record keys, object keys, ids. An attacker may know it.
	Mark string
	// Secret is in the content of all that is the canary's, and nowhere else. Whoever sees it has seen the content.
	Secret string
	// Connection is the URL of its broker user; empty where it has none.
	Connection string

	Span   store.Span // of an archived record; zero without an object store
	Vector []float32  // of its property
}

func newCanary(tenant store.Tenant, dimension int) *Canary {
	word := func(what string) string {
		digest := sha256.Sum256([]byte(what + tenant.ID.String()))
		return what + hex.EncodeToString(digest[:8])
	}
	c := &Canary{Tenant: tenant, Mark: word("mark"), Secret: word("secret")}
	c.Vector = c.vector(dimension)
	return c
}

// id is one of the canary's ids; the same for the same word.
func (c *Canary) id(what string) uuid.UUID { return uuid.NewSHA1(c.ID, []byte(what)) }

func (c *Canary) event() uuid.UUID { return c.id("event") }

func (c *Canary) letter() uuid.UUID { return c.id("letter") }

// group is the fingerprint of its letter's group.
func (c *Canary) group() string {
	return store.Fingerprint(events.Ingestion, events.DataNotJSON, "canary "+c.Secret)
}

func (c *Canary) run() string { return "run-" + c.Mark }

func (c *Canary) key(record events.RecordType) string { return string(record) + "-" + c.Mark }

func (c *Canary) property() string { return c.key(events.Property) }

func (c *Canary) city() string { return "City of " + c.Mark }

// documentKey is where its document lies in the object store.
func (c *Canary) documentKey() string { return "documents/" + c.Mark + ".txt" }

func (c *Canary) document() string { return "a document with " + c.Secret }

// version is that of all its records.
func (c *Canary) version() events.Version { return events.NewVersion(c.CreatedAt, 0) }

// doc is the content of its records.
func (c *Canary) doc() string {
	return fmt.Sprintf(`{"City":%q,"ListPrice":1,"PublicRemarks":%q,"UnparsedAddress":%q}`, c.city(), c.Secret, "1 "+c.Secret)
}

func (c *Canary) point() store.Point {
	return store.Point{
		Key: c.property(), Version: c.version(), Vector: c.Vector,
		Payload: store.Payload{Address: "1 " + c.Secret, City: c.city(), Status: "Active"},
	}
}

// number is in what is only counted of it.
func (c *Canary) number() int64 { return 1_000_000_000 + int64(binary.BigEndian.Uint32(c.ID[:4])) }

// vector is of unit length, and unlike any other canary's.
func (c *Canary) vector(dimension int) []float32 {
	vector := make([]float32, dimension)
	var square float64
	for i := range vector {
		digest := sha256.Sum256(fmt.Appendf(nil, "%s %d", c.ID, i))
		vector[i] = float32(digest[0]) - 127.5
		square += float64(vector[i]) * float64(vector[i])
	}
	for i := range vector {
		vector[i] /= float32(math.Sqrt(square))
	}
	return vector
}

// littleEndian is a vector as Postgres keeps it.
func littleEndian(vector []float32) []byte {
	encoded := make([]byte, 0, 4*len(vector))
	for _, x := range vector {
		encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(x))
	}
	return encoded
}

func (c *Canary) pointID() string { return store.PointID(c.ID, c.property()).String() }

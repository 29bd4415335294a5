package qdrant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	maxDimensions = 65536 // Qdrant's own limit

	// createAttempts and createPause bridge the moment in which another process is creating the same collection: the
	// server then refuses ours although it does not list theirs yet.
	createAttempts = 10
	createPause    = 100 * time.Millisecond
)

// Ensure creates what is missing of the model's collection, its payload indexes and the alias, and makes this client
// work on that collection. It may be called again and by several processes at once. A collection of that name whose
// vectors are of another size or distance is an error.
//
// Each model has a collection of its own, because the vectors of two models cannot be compared. The alias moves to the
// model ensured last; a process that still works on another model keeps to that model's collection. The collection
// that the alias leaves is kept: dropping it is the operator's decision.
func (c *Client) Ensure(ctx context.Context, model string, dimensions int) error {
	if model == "" || dimensions < 1 || dimensions > maxDimensions {
		return fmt.Errorf("ensure collection: model %q of %d dimensions: want a name and 1 to %d", model, dimensions, maxDimensions)
	}
	name := collectionName(c.alias, model, dimensions)
	info, err := c.ensureCollection(ctx, name, uint64(dimensions))
	if err != nil {
		return err
	}
	if err := checkVectors(name, info, uint64(dimensions)); err != nil {
		return err
	}
	if err := c.ensureIndexes(ctx, name, info.GetPayloadSchema()); err != nil {
		return err
	}
	if err := c.ensureAlias(ctx, name); err != nil {
		return err
	}
	c.collection.Store(&name)
	return nil
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// collectionName is `<alias>_<model slug>_<dimensions>`. A slug that does not say the whole name carries its digest, so
// that `a/b` and `a:b` stay apart.
func collectionName(alias, model string, dimensions int) string {
	const maxSlug = 80
	slug := notInNames.ReplaceAllString(model, "-")
	slug = slug[:min(len(slug), maxSlug)]
	if slug != model {
		digest := sha256.Sum256([]byte(model))
		slug += "-" + hex.EncodeToString(digest[:4])
	}
	return fmt.Sprintf("%s_%s_%d", alias, slug, dimensions)
}

func (c *Client) ensureCollection(ctx context.Context, name string, dimensions uint64) (*pb.CollectionInfo, error) {
	refused := fmt.Errorf("create collection: %q does not appear after it was created", name)
	for range createAttempts {
		info, err := c.describe(ctx, name)
		if status.Code(err) != codes.NotFound {
			return info, err
		}
		err = call(ctx, "create collection", func(ctx context.Context) error {
			return c.api.CreateCollection(ctx, collectionOf(name, dimensions))
		})
		switch status.Code(err) {
		case codes.OK:
			continue
		case codes.AlreadyExists, codes.InvalidArgument, codes.Internal: // perhaps another process is at it
			refused = err
		default:
			return nil, err
		}
		if err := pause(ctx, createPause); err != nil {
			return nil, fmt.Errorf("create collection: %w", err)
		}
	}
	return nil, refused
}

func (c *Client) describe(ctx context.Context, name string) (info *pb.CollectionInfo, err error) {
	err = call(ctx, "describe collection", func(ctx context.Context) (err error) {
		info, err = c.api.GetCollectionInfo(ctx, name)
		return err
	})
	return info, err
}

// collectionOf builds one graph per tenant and none over all: nothing ever searches across tenants.
func collectionOf(name string, dimensions uint64) *pb.CreateCollection {
	return &pb.CreateCollection{
		CollectionName: name,
		VectorsConfig:  pb.NewVectorsConfig(&pb.VectorParams{Size: dimensions, Distance: pb.Distance_Cosine}),
		HnswConfig:     &pb.HnswConfigDiff{M: pb.PtrOf(uint64(0)), PayloadM: pb.PtrOf(uint64(16))},
	}
}

func checkVectors(name string, info *pb.CollectionInfo, dimensions uint64) error {
	vectors := info.GetConfig().GetParams().GetVectorsConfig().GetParams()
	if vectors.GetSize() == dimensions && vectors.GetDistance() == pb.Distance_Cosine {
		return nil
	}
	return fmt.Errorf("ensure collection: %q exists with vectors of %d dimensions and %s distance, want %d and Cosine: "+
		"delete it or choose another QDRANT_COLLECTION", name, vectors.GetSize(), vectors.GetDistance(), dimensions)
}

// index is a payload index: what a filter names must have one, or strict servers refuse the filter.
type index struct {
	field  string
	create pb.FieldType
	stored pb.PayloadSchemaType
	params *pb.PayloadIndexParams
}

// indexes lists the tenant's first: the server lays the data out by it. The others filter within a tenant and need no
// graph of their own.
var indexes = []index{
	{
		fieldTenant, pb.FieldType_FieldTypeKeyword, pb.PayloadSchemaType_Keyword,
		pb.NewPayloadIndexParamsKeyword(&pb.KeywordIndexParams{IsTenant: pb.PtrOf(true)}),
	},
	{
		fieldListPrice, pb.FieldType_FieldTypeFloat, pb.PayloadSchemaType_Float,
		pb.NewPayloadIndexParamsFloat(&pb.FloatIndexParams{EnableHnsw: pb.PtrOf(false)}),
	},
	{
		fieldBedrooms, pb.FieldType_FieldTypeInteger, pb.PayloadSchemaType_Integer,
		pb.NewPayloadIndexParamsInt(&pb.IntegerIndexParams{
			Lookup: pb.PtrOf(true), Range: pb.PtrOf(true), EnableHnsw: pb.PtrOf(false),
		}),
	},
	{
		fieldCity, pb.FieldType_FieldTypeKeyword, pb.PayloadSchemaType_Keyword,
		pb.NewPayloadIndexParamsKeyword(&pb.KeywordIndexParams{EnableHnsw: pb.PtrOf(false)}),
	},
	{
		fieldStatus, pb.FieldType_FieldTypeKeyword, pb.PayloadSchemaType_Keyword,
		pb.NewPayloadIndexParamsKeyword(&pb.KeywordIndexParams{EnableHnsw: pb.PtrOf(false)}),
	},
	{
		fieldLocation, pb.FieldType_FieldTypeGeo, pb.PayloadSchemaType_Geo,
		pb.NewPayloadIndexParamsGeo(&pb.GeoIndexParams{EnableHnsw: pb.PtrOf(false)}),
	},
}

// ensureIndexes creates the missing indexes, before there is data: the server builds its graphs by them only then.
func (c *Client) ensureIndexes(ctx context.Context, name string, present map[string]*pb.PayloadSchemaInfo) error {
	for _, index := range indexes {
		if has := present[index.field]; has != nil && has.GetDataType() == index.stored {
			continue
		}
		err := call(ctx, "create payload index "+index.field, func(ctx context.Context) error {
			_, err := c.api.CreateFieldIndex(ctx, &pb.CreateFieldIndexCollection{
				CollectionName: name, Wait: pb.PtrOf(true), FieldName: index.field,
				FieldType: index.create.Enum(), FieldIndexParams: index.params,
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ensureAlias points the alias at the collection. Leaving the old one and taking the new one is a single request, so
// that no reader of the alias finds it gone.
func (c *Client) ensureAlias(ctx context.Context, name string) error {
	var actions []*pb.AliasOperations
	err := call(ctx, "list aliases", func(ctx context.Context) error {
		aliases, err := c.api.ListAliases(ctx)
		for _, alias := range aliases {
			if alias.GetAliasName() != c.alias {
				continue
			}
			if alias.GetCollectionName() == name {
				return err
			}
			actions = append(actions, pb.NewAliasDelete(c.alias))
		}
		actions = append(actions, pb.NewAliasCreate(c.alias, name))
		return err
	})
	if err != nil || len(actions) == 0 {
		return err
	}
	return call(ctx, "switch alias "+c.alias, func(ctx context.Context) error {
		return c.api.UpdateAliases(ctx, actions)
	})
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

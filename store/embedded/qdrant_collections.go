package embedded

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	qdrantMaxName       = 255
	qdrantMaxDimensions = 65536
	qdrantBadNameChars  = "<>:\"/\\|?*\x00\x1f"
)

// qdrantCollections serves the Collections service and finds collections by name or alias. Safe for concurrent use.
type qdrantCollections struct {
	pb.UnimplementedCollectionsServer

	mu      sync.RWMutex
	byName  map[string]*qdrantCollection
	aliases map[string]string // alias to collection name
}

func newQdrantCollections() *qdrantCollections {
	return &qdrantCollections{byName: map[string]*qdrantCollection{}, aliases: map[string]string{}}
}

// find returns the collection of that name, or the one that the alias stands for.
func (s *qdrantCollections) find(name string) (*qdrantCollection, error) {
	if name == "" || len(name) > qdrantMaxName {
		return nil, status.Errorf(codes.InvalidArgument, "Validation error in body: [collection_name: must have 1 to %d bytes]", qdrantMaxName)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if target, ok := s.aliases[name]; ok {
		name = target
	}
	if collection, ok := s.byName[name]; ok {
		return collection, nil
	}
	return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
}

func (s *qdrantCollections) Create(_ context.Context, req *pb.CreateCollection) (*pb.CollectionOperationResponse, error) {
	name := req.GetCollectionName()
	if name == "" || len(name) > qdrantMaxName || strings.ContainsAny(name, qdrantBadNameChars) {
		return nil, status.Errorf(codes.InvalidArgument, "Validation error in body: [collection_name: %q]", name)
	}
	if err := checkQdrantConfig(req); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.aliases[name]; taken {
		return nil, status.Errorf(codes.InvalidArgument,
			"Wrong input: Can't create collection with name %s. Alias with the same name already exists", name)
	}
	if _, taken := s.byName[name]; taken {
		return nil, status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", name)
	}
	s.byName[name] = newQdrantCollection(req)
	return &pb.CollectionOperationResponse{Result: true}, nil
}

// checkQdrantConfig accepts what only tunes a collection and refuses what would change its answers.
func checkQdrantConfig(req *pb.CreateCollection) error {
	vectors := req.GetVectorsConfig().GetParams()
	if err := unsupported(map[string]bool{
		"named or no vectors": vectors == nil,
		"sparse vectors":      len(req.GetSparseVectorsConfig().GetMap()) > 0,
		"multivectors":        vectors.GetMultivectorConfig() != nil,
		"custom sharding":     req.GetShardingMethod() != pb.ShardingMethod_Auto,
		"strict mode":         req.GetStrictModeConfig().GetEnabled(),
		"distances other than cosine": vectors != nil &&
			vectors.GetDistance() != pb.Distance_Cosine && vectors.GetDistance() != pb.Distance_UnknownDistance,
		"vector types other than float32": vectors.GetDatatype() != pb.Datatype_Default &&
			vectors.GetDatatype() != pb.Datatype_Float32,
	}); err != nil {
		return err
	}
	if vectors.GetSize() < 1 || vectors.GetSize() > qdrantMaxDimensions || vectors.GetDistance() == pb.Distance_UnknownDistance {
		return status.Errorf(codes.InvalidArgument,
			"Validation error in body: [vectors_config: size must be 1 to %d and distance be set]", qdrantMaxDimensions)
	}
	return nil
}

func (s *qdrantCollections) Get(_ context.Context, req *pb.GetCollectionInfoRequest) (*pb.GetCollectionInfoResponse, error) {
	collection, err := s.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return &pb.GetCollectionInfoResponse{Result: collection.info()}, nil
}

func (s *qdrantCollections) CollectionExists(
	_ context.Context, req *pb.CollectionExistsRequest,
) (*pb.CollectionExistsResponse, error) {
	_, err := s.find(req.GetCollectionName())
	if err != nil && status.Code(err) != codes.NotFound {
		return nil, err
	}
	return &pb.CollectionExistsResponse{Result: &pb.CollectionExists{Exists: err == nil}}, nil
}

func (s *qdrantCollections) List(context.Context, *pb.ListCollectionsRequest) (*pb.ListCollectionsResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := &pb.ListCollectionsResponse{}
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		list.Collections = append(list.Collections, &pb.CollectionDescription{Name: name})
	}
	return list, nil
}

// Delete takes a collection's own name only, and its aliases with it. Deleting what does not exist changes nothing.
func (s *qdrantCollections) Delete(_ context.Context, req *pb.DeleteCollection) (*pb.CollectionOperationResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := req.GetCollectionName()
	_, existed := s.byName[name]
	delete(s.byName, name)
	maps.DeleteFunc(s.aliases, func(_, target string) bool { return target == name })
	return &pb.CollectionOperationResponse{Result: existed}, nil
}

// UpdateAliases applies all actions or none, at one moment.
func (s *qdrantCollections) UpdateAliases(_ context.Context, req *pb.ChangeAliases) (*pb.CollectionOperationResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := maps.Clone(s.aliases)
	for _, action := range req.GetActions() {
		if err := s.changeAlias(changed, action); err != nil {
			return nil, err
		}
	}
	s.aliases = changed
	return &pb.CollectionOperationResponse{Result: true}, nil
}

// changeAlias needs s.mu.
func (s *qdrantCollections) changeAlias(aliases map[string]string, action *pb.AliasOperations) error {
	switch action := action.GetAction().(type) {
	case *pb.AliasOperations_CreateAlias:
		alias, target := action.CreateAlias.GetAliasName(), action.CreateAlias.GetCollectionName()
		if _, exists := s.byName[target]; !exists {
			return status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", target)
		}
		if _, taken := s.byName[alias]; taken {
			return status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", alias)
		}
		aliases[alias] = target
	case *pb.AliasOperations_DeleteAlias:
		delete(aliases, action.DeleteAlias.GetAliasName())
	case *pb.AliasOperations_RenameAlias:
		from := action.RenameAlias.GetOldAliasName()
		target, exists := aliases[from]
		if !exists {
			return status.Errorf(codes.NotFound, "Not found: Alias %s does not exists!", from)
		}
		delete(aliases, from)
		aliases[action.RenameAlias.GetNewAliasName()] = target
	default:
		return status.Error(codes.InvalidArgument, "Malformed CreateAlias action")
	}
	return nil
}

func (s *qdrantCollections) ListAliases(context.Context, *pb.ListAliasesRequest) (*pb.ListAliasesResponse, error) {
	return s.aliasesWhere(func(string) bool { return true }), nil
}

func (s *qdrantCollections) ListCollectionAliases(
	_ context.Context, req *pb.ListCollectionAliasesRequest,
) (*pb.ListAliasesResponse, error) {
	return s.aliasesWhere(func(target string) bool { return target == req.GetCollectionName() }), nil
}

func (s *qdrantCollections) aliasesWhere(keep func(target string) bool) *pb.ListAliasesResponse {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := &pb.ListAliasesResponse{}
	for _, alias := range slices.Sorted(maps.Keys(s.aliases)) {
		if target := s.aliases[alias]; keep(target) {
			list.Aliases = append(list.Aliases, &pb.AliasDescription{AliasName: alias, CollectionName: target})
		}
	}
	return list
}

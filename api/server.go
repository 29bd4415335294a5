package api

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
	"github.com/codybias9/real-estate-os/store"
)

// Config is what the environment says about the API.
type Config struct {
	Addr                string        `env:"API_ADDR, default=127.0.0.1:8080"`
	RequestsPerSec      float64       `env:"API_REQUESTS_PER_SECOND, default=200"`  // per tenant and process
	RequestBurst        int           `env:"API_REQUEST_BURST, default=400"`        // what a quiet tenant may send at once
	ConcurrentPerTenant int           `env:"API_CONCURRENT_PER_TENANT, default=64"` // requests of a tenant being answered at once; 0 = no bound
	Concurrent          int           `env:"API_CONCURRENT, default=512"`           // of all tenants
	MaxEventsBytes      int64         `env:"API_MAX_EVENTS_BYTES, default=16777216"`
	MaxDocumentBytes    int64         `env:"API_MAX_DOCUMENT_BYTES, default=1073741824"`
	RequestTimeout      time.Duration `env:"API_REQUEST_TIMEOUT, default=15s"` // to answer; streams are not bounded by it
	BodyTimeout         time.Duration `env:"API_BODY_TIMEOUT, default=15s"`    // to send a body; of streams: the longest silence
	DrainDelay          time.Duration `env:"API_DRAIN_DELAY, default=0s"`      // requests are still taken so long when it stops: until all who send them know
	TenantCacheTime     time.Duration `env:"API_TENANT_CACHE, default=1s"`     // how long a suspension may take to show
}

// Parts are what the API is made of.
type Parts struct {
	Verifier auth.Verifier
	Tenants  Tenants
	Tenancy  Tenancy
	Pings    Pings
	Checks   map[string]Check // of readiness, by dependency
	Registry *prometheus.Registry
	Log      zerolog.Logger

	Transport  Transport // where events are published
	Topology   events.Topology
	Publishing func(tenant uuid.UUID) Publishing
	Mappings   map[string]*feed.Mapping // of CSV feeds, by name

	Embedder  Embedder // of search queries
	Model     string   // of the vectors that are searched
	Points    func(tenant uuid.UUID) Points
	Records   func(tenant uuid.UUID) Records
	Raw       Raw
	Documents func(tenant uuid.UUID) Documents

	Freshness      func(tenant uuid.UUID) Freshness
	FreshnessOfAll store.FreshnessReader

	DeadLetters      func(tenant uuid.UUID) DeadLetters
	DeadLettersOfAll DeadLetters
	Desk             Desk

	Pages Pages // for people with a browser; nil = none
}

// Tenants knows the tenants.
type Tenants interface {
	// Tenant finds a tenant by id; else store.ErrNotFound.
	Tenant(ctx context.Context, id string) (store.Tenant, error)
}

// Server is the HTTP API. It is an http.Handler.
type Server struct {
	config   Config
	mux      *http.ServeMux
	huma     huma.API
	verifier auth.Verifier
	limits   *limits
	inFlight *inFlight
	owners   *owners
	metrics  *metrics
	served   map[string]operation // by pattern
	pages    Pages
	log      zerolog.Logger
}

// New makes the API.
func New(config Config, parts Parts) *Server {
	s := &Server{
		config: config, mux: http.NewServeMux(), verifier: parts.Verifier,
		limits:   newLimits(config.RequestsPerSec, config.RequestBurst),
		inFlight: newInFlight(config.ConcurrentPerTenant, config.Concurrent),
		owners:   newOwners(parts.Tenants, config.TenantCacheTime), log: parts.Log,
		metrics: newMetrics(parts.Registry), served: map[string]operation{}, pages: parts.Pages,
	}
	s.huma = humago.New(s.mux, description())
	s.registerHealth(parts)
	s.registerDocs()
	s.registerTenants(parts)
	in := s.registerPublishing(parts)
	s.registerSearch(parts)
	s.registerRecords(parts)
	s.registerDocuments(parts, in)
	s.registerFreshness(parts)
	s.registerDeadLetters(parts)
	s.registerPages()
	return s
}

// headerTimeout is what a client may take to send a request's header.
const headerTimeout = 5 * time.Second

// HTTP is a server for the API with a bound on everything that a client may draw out.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler: s, ReadHeaderTimeout: min(headerTimeout, s.config.BodyTimeout), IdleTimeout: time.Minute, MaxHeaderBytes: maxHeaderBytes,
		ReadTimeout: s.config.BodyTimeout, WriteTimeout: s.config.BodyTimeout + 2*s.config.RequestTimeout,
		ErrorLog: log.New(s.log, "", 0),
	}
}

// description is what the OpenAPI document says of the whole.
func description() huma.Config {
	config := huma.DefaultConfig("reos", "1")
	config.Info.Description = "Publish property events, see what became of each, and search. Errors are problem documents (RFC 9457)."
	config.DocsPath = ""     // the reference page is our own: the library's loads scripts from elsewhere
	config.OpenAPIPath = ""  // and so is what serves the document: the library's first two requests race
	config.CreateHooks = nil // no $schema links in answers
	config.Transformers = append(config.Transformers, complete)
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	return config
}

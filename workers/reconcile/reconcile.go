package reconcile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Platform is what a Reconciler needs of Postgres across tenants.
type Platform interface {
	Tenants(ctx context.Context) ([]store.Tenant, error)
}

// Records is what a Reconciler needs of a tenant's part of Postgres.
type Records interface {
	// StandingsAfter lists what is known of properties, a page in the order of their keys.
	StandingsAfter(ctx context.Context, model, after string, limit int) ([]store.IndexStanding, error)
	// Standings says what is known of these properties.
	Standings(ctx context.Context, model string, keys []string) ([]store.IndexStanding, error)
	// Existing lists which of the keys are properties' keys.
	Existing(ctx context.Context, keys []string) ([]string, error)
	// Doubt turns index entries into the opposite of what they say, unless they have changed.
	Doubt(ctx context.Context, entries []store.IndexEntry) error
	// ArchiveObjects yields the objects that raw bytes lie in, in the order of their keys' bytes.
	ArchiveObjects(ctx context.Context) iter.Seq2[store.ArchiveObject, error]
}

// Points is a tenant's part of the vector store.
type Points interface {
	// Points returns what is there of these keys.
	Points(ctx context.Context, keys []string) (map[string]store.PointRef, error)
	// List yields all points in pages.
	List(ctx context.Context) iter.Seq2[[]store.PointRef, error]
	// DeletePoints removes points by their ids.
	DeletePoints(ctx context.Context, ids []string) error
}

// Archive is a tenant's part of the object store.
type Archive interface {
	// ArchiveObjects yields the objects of the raw archive in the order of their keys' bytes.
	ArchiveObjects(ctx context.Context) iter.Seq2[store.ArchiveObject, error]
}

// Stores are what is compared: functions that hand out tenant-bound handles. What is nil is not compared.
type Stores struct {
	Records func(tenant uuid.UUID) Records
	Points  func(tenant uuid.UUID) Points
	Archive func(tenant uuid.UUID) Archive
}

// Reconciler compares the index and the archive with Postgres, in both directions. It reads all of a tenant's rows,
// points and objects once, and holds a page of each.
type Reconciler struct {
	platform  Platform
	stores    Stores
	model     string
	transport events.Transport
	topology  events.Topology
	config    Config
	log       zerolog.Logger
}

// New makes a reconciler for the vectors of one model.
func New(
	platform Platform, stores Stores, model string, transport events.Transport, topology events.Topology, config Config,
	log zerolog.Logger,
) *Reconciler {
	return &Reconciler{
		platform: platform, stores: stores, model: model, transport: transport, topology: topology, config: config, log: log,
	}
}

// Options say what a run does.
type Options struct {
	Repair   bool
	Progress func(properties int) // is told as properties are compared; may be nil
}

// Run compares the stores of these tenants.
func (r *Reconciler) Run(ctx context.Context, tenants []store.Tenant, options Options) (Report, error) {
	report := Report{Clean: true, Tenants: []TenantReport{}}
	run := "reconcile-" + uuid.NewString()
	for _, tenant := range tenants {
		c := &comparison{
			Reconciler: r, options: options, run: run, tenant: tenant.ID, records: r.stores.Records(tenant.ID),
			report: TenantReport{Tenant: tenant.ID, Name: tenant.Name, Findings: []KindReport{}},
		}
		err := c.compare(ctx)
		if errors.Is(err, store.ErrTenantDeleted) {
			continue // meanwhile: there is nothing left to compare
		}
		if err != nil {
			return report, fmt.Errorf("reconcile tenant %s: %w", tenant.ID, err)
		}
		report.add(c.report)
	}
	return report, nil
}

// All lists every tenant that may have data.
func (r *Reconciler) All(ctx context.Context) ([]store.Tenant, error) {
	tenants, err := r.platform.Tenants(ctx)
	return slices.DeleteFunc(tenants, func(t store.Tenant) bool { return t.ID == store.PlatformTenant }), err
}

// watch compares everything, repairs nothing, and says what it found.
func (r *Reconciler) watch(ctx context.Context, metrics *Metrics) error {
	tenants, err := r.All(ctx)
	if err != nil {
		return err
	}
	report, err := r.Run(ctx, tenants, Options{})
	if err != nil {
		return err
	}
	metrics.found(report, time.Now())
	for _, tenant := range report.Tenants {
		for _, found := range tenant.Findings {
			r.log.Warn().Stringer("tenant_id", tenant.Tenant).Str("kind", string(found.Kind)).Int("count", found.Count).
				Msg("the stores disagree: see `reos reconcile`")
		}
	}
	return nil
}

// comparison is one run over one tenant.
type comparison struct {
	*Reconciler
	options Options
	run     string // run id of what is published
	tenant  uuid.UUID
	records Records
	report  TenantReport
}

func (c *comparison) compare(ctx context.Context) error {
	if c.stores.Points != nil {
		points := c.stores.Points(c.tenant)
		if err := c.properties(ctx, points); err != nil {
			return err
		}
		if err := c.strays(ctx, points); err != nil {
			return err
		}
	}
	if c.stores.Archive != nil {
		return c.archive(ctx, c.stores.Archive(c.tenant))
	}
	return nil
}

package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/codybias9/real-estate-os/store"
)

// Platform is what an Archiver needs of Postgres across tenants.
type Platform interface {
	// Staging says what is staged, of each tenant that has such.
	Staging(ctx context.Context) ([]store.Staging, error)
}

// Records is what an Archiver needs of a tenant's part of Postgres.
type Records interface {
	// StagedRaw lists raw bytes that were staged longer ago than after, in the order in which they were: as many as make
	// up so many packed bytes, the last one included.
	StagedRaw(ctx context.Context, after time.Duration, bytes int64) ([]store.StagedRaw, error)
	// Unstage puts spans of a stored object in the place of staged bytes, in one transaction.
	Unstage(ctx context.Context, events []uuid.UUID, spans []store.Span) error
}

// Objects is what an Archiver needs of a tenant's part of the object store.
type Objects interface {
	// PutFrames stores frames as one object and says where each lies. The same name replaces the object.
	PutFrames(ctx context.Context, name string, frames []store.Frame) ([]store.Span, error)
}

// Archiver moves staged raw bytes into objects.
//
// Invariant 1: they are removed from Postgres by the transaction that says where they lie in an object, which is there by
// then. A run that is cut off anywhere is simply done again.
type Archiver struct {
	platform Platform
	records  func(tenant uuid.UUID) Records
	objects  func(tenant uuid.UUID) Objects
	config   Config
	metrics  *Metrics
	log      zerolog.Logger
}

// New makes an Archiver. Both functions hand out tenant-bound handles.
func New(
	platform Platform, records func(uuid.UUID) Records, objects func(uuid.UUID) Objects, config Config, metrics *Metrics, log zerolog.Logger,
) *Archiver {
	return &Archiver{platform: platform, records: records, objects: objects, config: config, metrics: metrics, log: log}
}

// Run archives everything whose time has come. What fails of one tenant harms no other; a store that is down ends the
// run.
func (a *Archiver) Run(ctx context.Context) error {
	staging, err := a.platform.Staging(ctx)
	if err != nil {
		return err
	}
	a.metrics.staged(staging)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tenantsAtOnce)
	for _, s := range staging {
		if s.Bytes < objectBytes && !a.over(s.Oldest) {
			continue
		}
		group.Go(func() error {
			err := a.tenant(ctx, s.Tenant)
			if err == nil || ctx.Err() != nil {
				return err
			}
			if errors.Is(err, store.ErrTenantDeleted) {
				return nil // whoever deletes it removes what was staged, and what has just been stored
			}
			a.metrics.failed()
			if errors.Is(err, store.ErrUnavailable) {
				return err
			}
			a.log.Error().Err(err).Stringer("tenant_id", s.Tenant).Msg("staged raw bytes not archived")
			return nil
		})
	}
	return group.Wait()
}

// Retire takes back what was shown of the staged: another process may run from now on.
func (a *Archiver) Retire() { a.metrics.retire() }

// over says whether the time that a moment belongs to has passed, for good.
func (a *Archiver) over(moment time.Time) bool {
	return time.Since(moment.Truncate(a.config.After).Add(a.config.After)) >= a.config.settle()
}

// tenant archives everything of a tenant whose time has come, object by object.
func (a *Archiver) tenant(ctx context.Context, tenant uuid.UUID) error {
	records, objects := a.records(tenant), a.objects(tenant)
	for {
		staged, err := records.StagedRaw(ctx, a.config.settle(), objectBytes)
		if err != nil {
			return fmt.Errorf("archive staged raw bytes: %w", err)
		}
		gathered := a.gather(staged)
		if len(gathered.events) == 0 {
			return nil
		}
		spans, err := objects.PutFrames(ctx, gathered.name, gathered.frames)
		if err == nil {
			err = records.Unstage(ctx, gathered.events, spans)
		}
		if err != nil {
			return fmt.Errorf("archive %d staged events: %w", len(gathered.events), err)
		}
		a.metrics.archived(len(gathered.events))
	}
}

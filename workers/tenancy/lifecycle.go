package tenancy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Register is the part of Postgres that knows the tenants.
type Register interface {
	CreateTenant(ctx context.Context, tenant store.Tenant, act store.Act) error
	// Tenant finds one by id or name; else store.ErrNotFound.
	Tenant(ctx context.Context, idOrName string) (store.Tenant, error)
	// Tenants lists those that are served, and the platform.
	Tenants(ctx context.Context) ([]store.Tenant, error)
	Status(ctx context.Context, tenants []uuid.UUID) ([]store.TenantStatus, error)
	Pauses(ctx context.Context) ([]store.Pause, error)

	// These report whether they changed anything.
	Suspend(ctx context.Context, tenant uuid.UUID, act store.Act) (bool, error)
	Resume(ctx context.Context, tenant uuid.UUID, act store.Act) (bool, error)
	BeginDeletion(ctx context.Context, tenant uuid.UUID, act store.Act) (bool, error)
	Bury(ctx context.Context, tenant store.Tenant, act store.Act, removed map[string]int) (bool, error)

	NoteBrokerUser(ctx context.Context, tenant uuid.UUID, has bool, act store.Act) error
	Audit(ctx context.Context, entry store.AuditEntry) error

	// WithBindings runs work that binds tenants as their rows say, ChangingBindings work that changes what they say.
	WithBindings(ctx context.Context, work func(context.Context) error) error
	ChangingBindings(ctx context.Context, work func(context.Context) error) error
}

// Records is a tenant's part of Postgres.
type Records interface {
	// Export hands over all rows, of one moment.
	Export(ctx context.Context, begin func(store.ExportedTable) (row func(line []byte) error, err error)) error
	// Purge removes all rows, Leftovers counts them; both only of a tenant that is being deleted.
	Purge(ctx context.Context, removed func(table string, rows int)) error
	Leftovers(ctx context.Context) ([]store.Leftover, error)
	// Now is the database's clock, OlderWork how many transactions began at a moment or before it, and go on.
	Now(ctx context.Context) (time.Time, error)
	OlderWork(ctx context.Context, moment time.Time) (int, error)
}

// Hoard is a tenant's part of a store beside Postgres.
type Hoard interface {
	// Purge removes everything, Leftovers counts it.
	Purge(ctx context.Context, removed func(n int)) error
	Leftovers(ctx context.Context) ([]store.Leftover, error)
}

// Objects is a tenant's part of the object store.
type Objects interface {
	Hoard
	// List yields the objects whose keys begin with prefix; Open reads one, else store.ErrNotFound.
	List(ctx context.Context, prefix string) iter.Seq2[store.ObjectInfo, error]
	Open(ctx context.Context, key string) (io.ReadCloser, error)
}

// Broker is the part of events.Transport that binds tenants.
type Broker interface {
	Declare(ctx context.Context) error
	MoveTenant(ctx context.Context, tenant uuid.UUID, to string, from []string) error
	RemoveTenant(ctx context.Context, tenant uuid.UUID, lanes []string) error
	Held(ctx context.Context, tenant uuid.UUID) (map[string]int, error)
	Depths(ctx context.Context) (map[string]int, error)
}

// Users are the tenants' own users at the broker.
type Users interface {
	// Grant makes one, or gives it a new password; Permit says whether it may publish. Both end its connections.
	Grant(ctx context.Context, tenant uuid.UUID, mayPublish bool) (events.Credentials, error)
	Permit(ctx context.Context, tenant uuid.UUID, mayPublish bool) error
	// Remove deletes it; that there is none is no error.
	Remove(ctx context.Context, tenant uuid.UUID) error
}

// Stores is what tenants have something at. Points and Objects may be nil for whoever needs neither: nothing can be
// exported or deleted then. Users is nil where the broker has none for tenants.
type Stores struct {
	Register Register
	Records  func(tenant uuid.UUID) Records
	Points   func(tenant uuid.UUID) Hoard
	Objects  func(tenant uuid.UUID) Objects
	Broker   Broker
	Users    Users
}

// Lifecycle does to tenants what operators order. It is safe for concurrent use.
type Lifecycle struct {
	Stores
	topology events.Topology
}

// New makes a lifecycle.
func New(stores Stores, topology events.Topology) *Lifecycle {
	return &Lifecycle{Stores: stores, topology: topology}
}

// ErrBroker says that the broker did not do what was asked. Nothing is known to be wrong with the request.
var ErrBroker = errors.New("the broker did not do it")

// ErrUsersUnreachable says that a tenant has a user at the broker, and this process was not told how to reach users.
var ErrUsersUnreachable = errors.New("the tenant has a user of its own at the broker: RABBITMQ_MANAGEMENT_URL must be set to change it")

// ErrNotServed says that a tenant is deleted, or just being.
var ErrNotServed = errors.New("the tenant is deleted, or just being")

// Progress is told how far a long work is. total is 0 where nobody knows.
type Progress func(what string, done, total int)

func (p Progress) tell(what string, done, total int) {
	if p != nil {
		p(what, done, total)
	}
}

// atBroker names what the broker was asked for, and marks the error as the broker's.
func atBroker(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", what, ErrBroker, err)
}

// usersOf makes sure that a tenant's user, if it has one, can be reached.
func (l *Lifecycle) usersOf(tenant store.Tenant) error {
	if tenant.BrokerUser && l.Users == nil {
		return ErrUsersUnreachable
	}
	return nil
}

// lanesOf are all lanes that a tenant may be bound to.
func (l *Lifecycle) lanesOf(tenant store.Tenant) []string {
	lanes := slices.Concat(l.topology.TenantLanes(), tenant.Draining)
	if tenant.Lane != "" {
		lanes = append(lanes, tenant.Lane)
	}
	slices.Sort(lanes)
	return slices.Compact(lanes)
}

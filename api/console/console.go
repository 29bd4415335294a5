// Package console is what people with a browser see of the pipeline: who is late and why, one tenant's stages, runs,
// quarantine and dead letters, and the way of one event.
//
// Pages are rendered here, from templates, and say everything without a script. A script of our own keeps them up to date:
// it asks for the same page again and puts in place what changed. Nothing is loaded from elsewhere.
//
// Read in this order: console.go (the pages), page.go (how one is answered), session.go (who may), then a file per page.
package console

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Rows is a tenant's part of Postgres, as its pages need it.
type Rows interface {
	api.Freshness
	api.Trails
	api.Runs
	// FreshnessHistory says in which state the tenant was, from a moment to another, at every step.
	FreshnessHistory(ctx context.Context, from, to time.Time, step time.Duration) ([]store.FreshnessSample, error)
	// Quarantine says which expectations keep most records in quarantine.
	Quarantine(ctx context.Context, limit int) (store.Quarantine, error)
	// RecordTypesOf says of which types there is a record with a key.
	RecordTypesOf(ctx context.Context, key string) ([]events.RecordType, error)
	// RecordView says everything that is known of a record; else store.ErrNotFound.
	RecordView(ctx context.Context, ref store.Ref, historyLimit int) (store.RecordView, error)
	Letters
	runActs
}

// Platform looks across tenants.
type Platform interface {
	store.FreshnessReader
	FreshnessHistory(ctx context.Context, tenants []uuid.UUID, from, to time.Time, step time.Duration) (map[uuid.UUID][]store.FreshnessSample, error)
	Letters
	// Runs lists runs of all tenants; of one id, an entry for each tenant of it. WholeRuns lists those that are meant, a run
	// over several tenants as one.
	Runs(ctx context.Context, id string, filter store.RunFilter, limit int, after store.RunCursor) ([]store.TenantRun, error)
	WholeRuns(ctx context.Context, filter store.RunFilter, limit int, after store.WholeRunCursor) ([]store.WholeRun, error)
}

// Parts are what the console is made of.
type Parts struct {
	Rows     func(tenant uuid.UUID) Rows
	Platform Platform
	Desk     Desk
	Log      zerolog.Logger
}

// Console implements api.Pages.
type Console struct {
	Parts
	door      *api.Door
	lookout   *lookout
	counted   *memory[runKey, api.RunView]
	kept      *memory[uuid.UUID, store.Quarantine] // by tenant
	reports   *memory[string, *reportView]         // of plans over several tenants, by run
	everyRun  *memory[runsKey, []store.WholeRun]   // pages of all tenants' runs
	templates map[string]*template.Template        // by the name of the page
	assets    map[string]asset
	origin    *http.CrossOriginProtection
}

//go:embed templates assets
var files embed.FS

// New makes the console.
func New(parts Parts) *Console {
	return &Console{
		Parts: parts, lookout: newLookout(parts.Platform), counted: newMemory[runKey, api.RunView](),
		kept: newMemory[uuid.UUID, store.Quarantine](), reports: newMemory[string, *reportView](),
		everyRun: newMemory[runsKey, []store.WholeRun](), templates: parseTemplates(), assets: readAssets(),
		origin: http.NewCrossOriginProtection(),
	}
}

// answers answer for the pages that show something of tenants, by pattern.
var answers = map[string]func(*Console, context.Context, api.Visitor, *http.Request) (shown, error){
	"/{$}":                                                (*Console).overview,
	"/tenants/{tenant}":                                   (*Console).tenant,
	"/tenants/{tenant}/find":                              (*Console).find,
	"/tenants/{tenant}/events/{event}":                    (*Console).event,
	"/tenants/{tenant}/records/{type}/{key}":              (*Console).record,
	"/tenants/{tenant}/runs":                              (*Console).runs,
	"/tenants/{tenant}/runs/{run}":                        (*Console).run,
	"/tenants/{tenant}/dead-letters":                      (*Console).groups,
	"/tenants/{tenant}/dead-letters/groups/{fingerprint}": (*Console).group,
	"/tenants/{tenant}/dead-letters/{letter}":             (*Console).letter,
	"/tenants/{tenant}/dead-letters/plan":                 (*Console).askForPlan,
	"/dead-letters":                                       (*Console).groups,
	"/dead-letters/plan":                                  (*Console).askForPlan,
	"/runs":                                               (*Console).wholeRuns,
	"/runs/{run}":                                         (*Console).wholeRun,
	"/dead-letters/groups/{fingerprint}":                  (*Console).group,
	"/dead-letters/{letter}":                              (*Console).letter,
}

// Pages lists the patterns of the pages that show something of tenants, as net/http understands them.
func Pages() []string { return slices.Sorted(maps.Keys(answers)) }

// Register implements api.Pages.
func (c *Console) Register(mux *http.ServeMux, door *api.Door) {
	c.door = door
	for pattern, answer := range answers {
		mux.HandleFunc("GET "+pattern, c.page(func(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
			return answer(c, ctx, who, r)
		}))
	}
	for pattern, do := range deeds {
		mux.HandleFunc("POST "+pattern, c.deed(do))
	}
	mux.HandleFunc("GET /sign-in", c.askForToken)
	mux.HandleFunc("POST /sign-in", c.signIn)
	mux.HandleFunc("POST /sign-out", c.signOut)
	mux.HandleFunc("GET /assets/{name}", c.asset)
}

// parseTemplates has one set of templates for each page: the layout, the parts that pages share, and the page itself.
func parseTemplates() map[string]*template.Template {
	shared := template.Must(template.New("shared").Funcs(words).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/acts.html", "templates/shapes.html"))
	pages, err := fs.Glob(files, "templates/pages/*.html")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	parsed := map[string]*template.Template{}
	for _, page := range pages {
		parsed[path.Base(page)] = template.Must(template.Must(shared.Clone()).ParseFS(files, page))
	}
	return parsed
}

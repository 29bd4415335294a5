package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/cmd/reos/isolation"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers/reconcile"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

// exitLeak is verify's own: everything works, and a tenant got to another's data.
const exitLeak = 4

func tenantVerifyCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Try to get from one tenant to another's data, in every way there is",
		Long: `Creates two tenants of its own, plants something of each in every table, object and point, attacks one in the other's
name, and removes both again. No other tenant is touched. It tells what came of each attempt, by the layer that must
hold:

  refused         the layer said no
  empty           it answered as if there were nothing
  leaked          something of the victim's was seen or changed
  not applicable  this installation has no such way in
  error           could not be tried

Broker attempts are made by the attacker's own broker user where RABBITMQ_MANAGEMENT_URL is set, and through the workers
where some run. API attempts are made where REOS_API_URL is set; those that need a good token need API_JWT_SECRET as well.
What an interrupted or killed run leaves behind is removed, at the latest by the next run.

Exit codes: 0 no leak; 4 a leak; 3 something could not be tried, or not be removed; 1 and 2 as everywhere.`,
		Example: `  reos tenant verify
  REOS_API_URL=http://127.0.0.1:8080 reos tenant verify --json | jq '.attempts[] | select(.outcome == "leaked")'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				report, err := in.verifyIsolation(ctx)
				if report == nil {
					return environmentError{err}
				}
				if printErr := c.print(report, func(w io.Writer) { isolationRows(w, report, c.colours()) }); printErr != nil {
					return printErr
				}
				switch {
				case report.Leaks > 0:
					return &exitError{exitLeak}
				case err != nil:
					return environmentError{err}
				case !report.Complete:
					return environmentError{fmt.Errorf("%d attempts could not be made", report.Faults)}
				}
				return nil
			}, (*installation).openDatabase, (*installation).openTransport, (*installation).openPoints, (*installation).openObjects)
		},
	}
}

// verifyIsolation makes all attempts once.
func (in *installation) verifyIsolation(ctx context.Context) (*isolation.Report, error) {
	attacked, err := in.attacked(in.points, in.objects)
	if err != nil {
		return nil, err
	}
	if attacked.API, err = in.attackedAPI(ctx); err != nil {
		return nil, err
	}
	var bar *progressbar.ProgressBar
	report, err := isolation.Verify(ctx, attacked, isolation.Options{Progress: func(done, total int) {
		if bar == nil {
			bar = in.console.progress(int64(total), "attempts", false)
		}
		_ = bar.Set(done)
	}})
	if bar != nil {
		_ = bar.Finish()
	}
	return report, err
}

// attacked is this installation as attempts see it, with those of the other stores that are not nil.
func (in *installation) attacked(points *qdrant.Client, archive *objects.Client) (isolation.Installation, error) {
	lifecycle, err := in.newLifecycle()
	if err != nil {
		return isolation.Installation{}, err
	}
	attacked := isolation.Installation{
		Tenants: &canaries{in, lifecycle}, DB: in.db, Transport: in.transport, Topology: in.topology,
		Model: in.embedder.Model(), Dimension: in.embedder.Dimensions(), Metrics: in.registry,
	}
	if points != nil {
		attacked.Points = func(id uuid.UUID) isolation.Points { return points.Tenant(id) }
		attacked.QdrantURL = in.config.Qdrant.URL
	}
	if archive != nil {
		attacked.Objects = func(id uuid.UUID) isolation.Objects { return archive.Tenant(id) }
		attacked.S3URL = in.config.Objects.URL
	}
	return attacked, nil
}

// attackedAPI is the API that REOS_API_URL names; nil where it names none.
func (in *installation) attackedAPI(ctx context.Context) (*isolation.Server, error) {
	if in.config.APIURL == "" {
		return nil, nil
	}
	if err := in.config.adoptTokens(); err != nil {
		return nil, err
	}
	server := &isolation.Server{
		URL: in.config.APIURL, Issuer: in.config.Auth.Issuer, Audience: in.config.Auth.Audience,
		Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	switch {
	case in.config.Auth.Secret != "":
		server.Sign = isolation.SignWith(in.config.Auth)
	case in.config.Auth.JWKSURL != "":
		keys, err := isolation.PublicKeys(ctx, server.Client, in.config.Auth.JWKSURL)
		if err != nil {
			return nil, err
		}
		server.PublicKeys = keys
	}
	return server, nil
}

// canaries are made and removed like any tenant.
type canaries struct {
	in        *installation
	lifecycle *tenancy.Lifecycle
}

const canaryWhy = "to prove isolation"

// Create implements isolation.Tenants.
func (c *canaries) Create(ctx context.Context, tenant store.Tenant) (store.Tenant, error) {
	created, err := c.lifecycle.Create(ctx, store.TenantOrder{ID: tenant.ID, Name: tenant.Name}, c.in.act(canaryWhy))
	return created, tenancyError(err)
}

// Connect implements isolation.Tenants. The first password is noted, so that the user is removed with its tenant; the
// others are nobody's business.
func (c *canaries) Connect(ctx context.Context, tenant store.Tenant) (string, error) {
	if c.lifecycle.Users == nil {
		return "", nil
	}
	if tenant.BrokerUser {
		given, err := c.lifecycle.Users.Grant(ctx, tenant.ID, true)
		return given.URL, err
	}
	given, err := c.lifecycle.Credentials(ctx, tenant, c.in.act(canaryWhy))
	return given.URL, tenancyError(err)
}

// canaryDeletion waits no longer than it must: every message of a canary was seen to its end.
var canaryDeletion = tenancy.Deletion{Timeout: 20 * time.Second, Settle: time.Second}

// Remove implements isolation.Tenants. Where other tenants keep a queue from being seen empty, the canary stays marked as
// being deleted, with nothing of it left; the next run ends that.
func (c *canaries) Remove(ctx context.Context, tenant store.Tenant) error {
	erasure, err := c.lifecycle.Delete(ctx, tenant, c.in.act(canaryWhy), canaryDeletion)
	if err == nil && len(erasure.Left) > 0 {
		err = fmt.Errorf("%d things are left in %s", erasure.Left[0].Count, erasure.Left[0].Place)
	}
	return tenancyError(err)
}

// All implements isolation.Tenants.
func (c *canaries) All(ctx context.Context) ([]store.Tenant, error) {
	return c.in.db.Platform().AllTenants(ctx)
}

// probing probes isolation at intervals, in the process that leads.
func (in *installation) probing(points *qdrant.Client, archive *objects.Client) []reconcile.Task {
	every := in.config.Isolation.Interval
	attacked, err := in.attacked(points, archive)
	if every == 0 || err != nil {
		if err != nil {
			in.log.Warn().Err(err).Msg("isolation is not probed")
		}
		return nil
	}
	metrics := isolation.NewMetrics(in.registry)
	return []reconcile.Task{{
		Name: "probe isolation", First: every / 10, Every: every, Retire: metrics.Retire,
		Run: isolation.NewProber(attacked, metrics, in.log).Probe,
	}}
}

// colours say whether results may be coloured.
func (c *console) colours() bool { return isTerminal(c.out) && os.Getenv("NO_COLOR") == "" }

// All codes are of one length: the table's columns are aligned by length.
var verdictColours = map[isolation.Verdict]string{
	isolation.Refused: "\x1b[32m", isolation.Empty: "\x1b[32m", isolation.Leaked: "\x1b[31m", isolation.Fault: "\x1b[33m",
}

func isolationRows(w io.Writer, report *isolation.Report, coloured bool) {
	paint := func(text, code string) string {
		if !coloured {
			return text
		}
		if code == "" {
			code = "\x1b[39m"
		}
		return code + text + "\x1b[0m"
	}
	for _, layer := range isolation.Layers {
		fmt.Fprintf(w, "%s\t%s\tPROBES\tATTEMPT\n", layer, paint("OUTCOME", ""))
		missing, order := map[string]int{}, []string(nil) // what could not be applied, by why
		for _, r := range report.Results {
			switch {
			case r.Layer != layer:
			case r.Verdict == isolation.NotApplicable:
				if missing[r.Detail]++; missing[r.Detail] == 1 {
					order = append(order, r.Detail)
				}
			default:
				text := r.Name
				if r.Detail != "" {
					text += ": " + r.Detail
				}
				fmt.Fprintf(w, "\t%s\t%d\t%s\n", paint(string(r.Verdict), verdictColours[r.Verdict]), r.Probes, text)
			}
		}
		for _, why := range order {
			fmt.Fprintf(w, "\t%s\t\t%d attempts: %s\n", paint(string(isolation.NotApplicable), ""), missing[why], why)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d attempts in %.1f s: %d refused, %d empty, %d not applicable, %d errors, %d leaks\n", len(report.Results), report.Seconds,
		report.Counts[isolation.Refused], report.Counts[isolation.Empty], report.Counts[isolation.NotApplicable], report.Faults, report.Leaks)
}

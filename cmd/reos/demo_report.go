package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/cmd/reos/demo"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// demoQuiet is shorter than a stranger's: nothing of this process is ever slow to be seen.
const demoQuiet = 500 * time.Millisecond

const (
	demoHits    = 3
	foreignHits = 50 // looked at to prove that there are none
	demoPublish = 100
)

func joinDrain(err error, stop func() error) error { return errors.Join(err, stop()) }

// publishDemo sends the feed's messages just as an upstream would.
func (in *installation) publishDemo(ctx context.Context, feed *demo.Feed) error {
	bar := in.console.progress(int64(len(feed.Messages)), "publishing", false)
	defer func() { _ = bar.Finish() }()
	for chunk := range slices.Chunk(feed.Messages, demoPublish) {
		batch := make([]events.Outgoing, len(chunk))
		for i, m := range chunk {
			msg := message.NewMessage(m.MessageID, []byte(m.Body))
			msg.Metadata = m.Headers
			batch[i] = events.Outgoing{Topic: in.topology.Intake() + "/" + m.RoutingKey, Message: msg}
		}
		if err := in.transport.PublishBatch(ctx, batch); err != nil {
			return environmentError{err}
		}
		_ = bar.Add(len(chunk))
	}
	return nil
}

// demoReport reads what became of the feed from the stores.
func (in *installation) demoReport(ctx context.Context, feed *demo.Feed) (*demoReport, error) {
	report := &demoReport{Published: len(feed.Messages)}
	statuses, err := in.db.Platform().Status(ctx, nil)
	if err != nil {
		return nil, err
	}
	accepted := 0
	for _, status := range statuses {
		if status.Tenant.ID == store.PlatformTenant {
			continue
		}
		tenant, err := in.demoTenant(ctx, status, feed)
		if err != nil {
			return nil, err
		}
		report.Tenants = append(report.Tenants, tenant)
		report.add(status)
		accepted += status.Events
		flaws, err := in.flaws(ctx, status.Tenant.ID)
		if err != nil {
			return nil, err
		}
		report.Flawed = append(report.Flawed, flaws...)
	}
	letters, err := in.db.Platform().DeadLetters(ctx, store.DeadLetterFilter{Limit: maxLetters})
	if err != nil {
		return nil, err
	}
	beforeAcceptance := 0
	for _, l := range letters {
		report.Letters = append(report.Letters, demoLetter{Tenant: l.Tenant, Reason: l.Reason, Error: l.Error})
		if l.Reason == events.TenantUnknown {
			report.Unroutable++
		} else {
			report.Dead++
		}
		if l.Event == uuid.Nil {
			beforeAcceptance++
		}
	}
	report.Duplicates = report.Published - accepted - beforeAcceptance
	return report, nil
}

// add counts a tenant in.
func (r *demoReport) add(status store.TenantStatus) {
	r.Indexed += status.Indexed
	r.Quarantined += status.Quarantined
	r.Deleted += status.Deleted
	for _, c := range status.Counts {
		switch c.Reason {
		case events.VersionOlder, events.VersionDuplicate:
			r.Stale += c.Count
		case events.Superseded:
			r.Superseded += c.Count
		}
	}
	for _, w := range status.Waiting {
		r.Unfinished += w.Count
	}
}

// demoTenant asks for a tenant's own query, and asks the other's through the same handle.
func (in *installation) demoTenant(ctx context.Context, status store.TenantStatus, feed *demo.Feed) (demoTenant, error) {
	tenant := demoTenant{
		ID: status.Tenant.ID, Name: status.Tenant.Name, Indexed: status.Indexed, Quarantined: status.Quarantined,
	}
	for _, w := range status.Waiting {
		if tenant.OldestUnfinished == nil || w.OldestOccurred.Before(*tenant.OldestUnfinished) {
			tenant.OldestUnfinished = &w.OldestOccurred
		}
	}
	for _, expected := range feed.Expected.Tenants {
		limit := foreignHits
		if expected.ID == tenant.ID {
			limit = demoHits
		}
		hits, err := in.search(ctx, tenant.ID, expected.Search.Query, limit, store.Filter{})
		if err != nil {
			return tenant, err
		}
		if expected.ID == tenant.ID {
			tenant.Search = demoSearch{Query: expected.Search.Query, Hits: hits}
			continue
		}
		foreign, err := in.foreign(ctx, tenant.ID, hits)
		if err != nil {
			return tenant, err
		}
		tenant.ForeignHits += foreign
	}
	return tenant, nil
}

// foreign counts hits that are not, with key and address, a record of the tenant.
func (in *installation) foreign(ctx context.Context, tenant uuid.UUID, hits []hit) (int, error) {
	found := make([]store.Wanted, len(hits))
	for i, h := range hits {
		found[i].Key = h.Key
	}
	records, err := in.db.Tenant(tenant).Records(ctx, events.Property, found)
	if err != nil {
		return 0, err
	}
	own := map[string]string{}
	for _, record := range records {
		doc, err := events.ParseDoc(record.Doc)
		if err != nil {
			return 0, err
		}
		own[record.Ref.Key], _ = doc.Text("UnparsedAddress")
	}
	count := 0
	for _, h := range hits {
		if address, ok := own[h.Key]; !ok || address != h.Address {
			count++
		}
	}
	return count, nil
}

func (in *installation) flaws(ctx context.Context, tenant uuid.UUID) ([]demoFlaw, error) {
	verdicts, err := in.db.Tenant(tenant).Quarantined(ctx, maxHits, store.Ref{})
	if err != nil {
		return nil, err
	}
	flaws := make([]demoFlaw, len(verdicts))
	for i, verdict := range verdicts {
		flaws[i] = demoFlaw{Tenant: tenant, Key: verdict.Ref.Key, Failures: verdict.Failures}
	}
	return flaws, nil
}

// differences compares what was found with what the feed calls for.
func differences(r *demoReport, expected demo.Expected) []string {
	found := []string{}
	check := func(what string, got, want int) {
		if got != want {
			found = append(found, fmt.Sprintf("%s: got %d, the feed calls for %d", what, got, want))
		}
	}
	check("published", r.Published, expected.Published)
	check("duplicates", r.Duplicates, expected.Duplicates)
	check("indexed", r.Indexed, expected.Indexed)
	check("quarantined", r.Quarantined, expected.Quarantined)
	check("deleted", r.Deleted, expected.Deleted)
	check("stale", r.Stale, expected.Stale)
	check("dead", r.Dead, expected.Dead)
	check("unroutable", r.Unroutable, expected.Unroutable)
	check("unfinished", r.Unfinished, 0)
	check("tenants", len(r.Tenants), len(expected.Tenants))
	for _, want := range expected.Tenants {
		for _, got := range r.Tenants {
			if got.ID != want.ID {
				continue
			}
			check(want.Name+": indexed", got.Indexed, want.Indexed)
			check(want.Name+": quarantined", got.Quarantined, want.Quarantined)
			check(want.Name+": foreign hits", got.ForeignHits, 0)
			if !slices.ContainsFunc(got.Search.Hits, func(h hit) bool { return h.Key == want.Search.TopKey }) {
				found = append(found, fmt.Sprintf("%s: %q does not find %s", want.Name, want.Search.Query, want.Search.TopKey))
			}
		}
	}
	return found
}

func demoRows(w io.Writer, r *demoReport) {
	fmt.Fprintf(w, "\n%d messages in %.1f s:\n", r.Published, r.Elapsed)
	fmt.Fprintf(w, "  %d\tproperties searchable\n  %d\trecords quarantined\n  %d\tproperties deleted\n", r.Indexed, r.Quarantined, r.Deleted)
	fmt.Fprintf(w, "  %d\tevents stale on arrival\n  %d\tovertaken on their way\n  %d\tduplicates without effect\n", r.Stale, r.Superseded, r.Duplicates)
	fmt.Fprintf(w, "  %d\tdead letters\n  %d\tunroutable\n  %d\tunfinished\n", r.Dead, r.Unroutable, r.Unfinished)
	fmt.Fprintln(w, "\nquarantined, and why:")
	for _, flaw := range r.Flawed {
		for _, f := range flaw.Failures {
			if f.Severity == store.SeverityError {
				fmt.Fprintf(w, "  %s\t%s\tmust be %s, got %s\n", flaw.Key, f.Field, f.Limit, cmp.Or(f.Observed, "nothing"))
			}
		}
	}
	fmt.Fprintln(w, "\ndead letters and unroutable messages, and why:")
	for _, l := range r.Letters {
		fmt.Fprintf(w, "  %s\n", l.Error)
	}
	for _, tenant := range r.Tenants {
		oldest := "nothing waits"
		if tenant.OldestUnfinished != nil {
			oldest = "oldest unfinished " + tenant.OldestUnfinished.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "\n%s: %d searchable, %d quarantined, %s\n", tenant.Name, tenant.Indexed, tenant.Quarantined, oldest)
		fmt.Fprintf(w, "  search %q:\n", tenant.Search.Query)
		for _, h := range tenant.Search.Hits {
			fmt.Fprintf(w, "    %.3f\t%s\t%s\n", h.Score, h.Key, h.Address)
		}
		fmt.Fprintf(w, "  the other tenant's search through this tenant's handle finds %d foreign records\n", tenant.ForeignHits)
	}
	for _, difference := range r.Differences {
		fmt.Fprintln(w, "\nNOT AS THE FEED CALLS FOR:", difference)
	}
}

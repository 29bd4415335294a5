package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// Export writes everything of a tenant to w, as a compressed tar archive: the rows of every table, all of one moment, as
// newline-delimited JSON, then every object, then the manifest. Vectors are left out; they are made from the records. Its
// memory is bounded, but for the manifest's line per file. progress counts rows and objects.
//
// The act is in the audit log before the first byte.
func (l *Lifecycle) Export(ctx context.Context, tenant store.Tenant, w io.Writer, act store.Act, progress Progress) (Manifest, error) {
	if tenant.State == store.TenantDeleted {
		return Manifest{}, ErrNotServed
	}
	err := l.Register.Audit(ctx, store.AuditEntry{
		Tenant: tenant.ID, Actor: act.By, Action: store.TenantExported, Subject: tenant.Name, Why: act.Why, Details: json.RawMessage("{}"),
	})
	if err != nil {
		return Manifest{}, err
	}
	out, err := newFile(w, Manifest{Tenant: tenant, ExportedAt: time.Now().UTC(), ExportedBy: act.By})
	if err != nil {
		return Manifest{}, err
	}
	done := 0
	err = l.Records(tenant.ID).Export(ctx, func(table store.ExportedTable) (func([]byte) error, error) {
		return func(line []byte) error {
			done++
			progress.tell("rows of "+table.Name, done, 0)
			return out.row(line)
		}, out.begin(table)
	})
	if err == nil {
		err = out.flush()
	}
	if err == nil {
		err = l.exportObjects(ctx, tenant, out, func() { done++; progress.tell("objects", done, 0) })
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("export tenant %s: %w", tenant.ID, err)
	}
	return out.close()
}

// exportObjects writes the objects. What is deleted while it runs is not in the export.
func (l *Lifecycle) exportObjects(ctx context.Context, tenant store.Tenant, out *file, written func()) error {
	objects := l.Objects(tenant.ID)
	for object, err := range objects.List(ctx, "") {
		if err != nil {
			return err
		}
		body, err := objects.Open(ctx, object.Key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		err = out.object(object, body)
		if err := errors.Join(err, body.Close()); err != nil {
			return err
		}
		written()
	}
	return nil
}

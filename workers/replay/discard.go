package replay

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// discardPart is how many letters are discarded in one transaction.
const discardPart = 1000

// Discard gives up the letters that are meant, once they are all known: letters that come meanwhile are not among them.
// store.ErrSecondNeeded: they are more than one person may discard; the report says how many, and nothing is done.
func (d *Desk) Discard(ctx context.Context, order store.DiscardOrder) (store.DiscardReport, error) {
	report := store.DiscardReport{ByTenant: []store.TenantShare{}, DryRun: order.DryRun}
	ids := map[uuid.UUID][]uuid.UUID{}
	var all []uuid.UUID
	err := store.SelectLetters(ctx, d.reader(order.Meant), order.Meant, false, func(letters []store.DeadLetter) error {
		for _, l := range letters {
			if l.State != store.LetterDiscarded {
				ids[l.Tenant] = append(ids[l.Tenant], l.ID)
				all = append(all, l.ID)
			}
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	report.Letters, report.Digest = int64(len(all)), hex.EncodeToString(store.LettersDigest(all))
	for tenant, own := range ids {
		report.ByTenant = append(report.ByTenant, store.TenantShare{Tenant: tenant, Letters: int64(len(own))})
	}
	slices.SortFunc(report.ByTenant, func(a, b store.TenantShare) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), bytes.Compare(a.Tenant[:], b.Tenant[:]))
	})
	switch {
	case order.DryRun:
		return report, nil
	case report.Letters > d.DiscardLimit && (order.Second == "" || order.Second == order.Act.By):
		return report, fmt.Errorf("discard %d letters, more than %d: %w", report.Letters, d.DiscardLimit, store.ErrSecondNeeded)
	}
	for _, share := range report.ByTenant {
		n, err := d.discard(ctx, share.Tenant, ids[share.Tenant], order, report.Digest)
		report.Discarded += n
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// discard gives up letters of one tenant, part by part. The operation's entry in the audit log comes with the first.
func (d *Desk) discard(ctx context.Context, tenant uuid.UUID, ids []uuid.UUID, order store.DiscardOrder, digest string) (discarded int64, err error) {
	operation, err := json.Marshal(struct {
		Letters int                   `json:"letters"`
		Digest  string                `json:"digest"` // over those of all tenants
		Meant   store.LetterSelection `json:"meant"`
		Second  string                `json:"second,omitempty"`
	}{len(ids), digest, order.Meant, order.Second})
	if err != nil {
		return 0, fmt.Errorf("encode discard: %w", err)
	}
	letters := d.Of(tenant)
	for part := range slices.Chunk(ids, discardPart) {
		n, err := letters.DiscardLetters(ctx, part, order.Act, operation)
		discarded += n
		if err != nil {
			return discarded, err
		}
		operation = nil
	}
	return discarded, nil
}

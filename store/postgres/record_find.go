package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// RecordTypesOf says of which types the tenant has a record with a key, deleted ones among them.
func (t *Tenant) RecordTypesOf(ctx context.Context, key string) ([]events.RecordType, error) {
	key = printable(key)
	keys := map[events.RecordType][]string{}
	for _, record := range events.RecordTypes {
		keys[record] = []string{key}
	}
	held := map[store.Ref]store.Held{}
	err := t.roundTrip(ctx, "find records by key", func(b *pgx.Batch) {
		clear(held)
		t.queueHeld(b, keys, held)
	})
	var types []events.RecordType
	for _, record := range events.RecordTypes {
		if _, ok := held[store.Ref{Type: record, Key: key}]; ok {
			types = append(types, record)
		}
	}
	return types, err
}

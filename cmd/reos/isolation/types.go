package isolation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

func typesAttempts(*World) []Attempt {
	return []Attempt{
		{Name: "read rows by a handle of no tenant", Layer: Types, Try: rowsOfNobody},
		{Name: "use objects by a handle of no tenant", Layer: Types, Try: objectsOfNobody},
		{Name: "use points by a handle of no tenant", Layer: Types, Try: pointsOfNobody},
		{Name: "use a handle that no client made", Layer: Types, Try: zeroHandles},
		{Name: "name a tenant to a handle's method", Layer: Types, Try: tenantParameters},
		{Name: "read the victim's record by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			return own.Records(ctx, events.Property, []store.Wanted{{Key: w.Victim.property()}})
		})},
		{Name: "read the victim's verdict by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			return own.Verdict(ctx, store.Ref{Type: events.Property, Key: w.Victim.property()})
		})},
		{Name: "read the victim's place in the index by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			return own.IndexStates(ctx, w.Model, []store.Wanted{{Key: w.Victim.property()}})
		})},
		{Name: "read the victim's dead letter by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			return own.DeadLetter(ctx, w.Victim.letter())
		})},
		{Name: "list dead letters by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, _ *World, own *postgres.Tenant) (any, error) {
			return own.DeadLetters(ctx, store.DeadLetterFilter{Limit: 1000})
		})},
		{Name: "list groups of dead letters by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, _ *World, own *postgres.Tenant) (any, error) {
			return own.LetterGroups(ctx, store.LetterGroupFilter{})
		})},
		{Name: "show the victim's group of dead letters by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			return own.LetterGroup(ctx, w.Victim.group())
		})},
		{Name: "discard the victim's dead letter by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			discarded, err := own.DiscardLetters(ctx, []uuid.UUID{w.Victim.letter()}, store.Act{By: "isolation", Why: "an attempt"}, nil)
			if discarded > 0 {
				return w.Victim.Secret, nil // it was in its hands
			}
			return nil, err
		})},
		{Name: "read the victim's letter to replay by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			letters, edits, err := own.LettersToReplay(ctx, w.Victim.run(), []uuid.UUID{w.Victim.letter()})
			return []any{letters, edits}, err
		})},
		{Name: "file a dead letter as the victim's by the attacker's handle", Layer: Types, Try: fileLetter},
		{Name: "end the victim's event by the attacker's handle", Layer: Types, Try: byHandle(func(ctx context.Context, w *World, own *postgres.Tenant) (any, error) {
			return nil, own.Advance(ctx, []store.Advance{{Event: w.Victim.event(), From: events.Indexing, Outcome: events.Done}})
		})},
	}
}

// byHandle uses the attacker's handle to rows and looks for the victim's in what it gives. That nothing of the victim's
// changed is looked at after every attempt.
func byHandle(use func(context.Context, *World, *postgres.Tenant) (any, error)) func(context.Context, *World) Outcome {
	return func(ctx context.Context, w *World) Outcome {
		found, err := use(ctx, w, w.rows(w.Attacker.ID))
		var into tally
		w.judgeValue("rows", found, err, &into)
		return into.outcome()
	}
}

// judgeValue says what a value means that a handle gave.
func (w *World) judgeValue(where string, found any, err error, into *tally) {
	text := fmt.Sprintf("%+v", found)
	switch {
	case w.tells(text), err != nil && w.tells(err.Error()):
		into.leak("%s: the victim's content", where)
	case err == nil, errors.Is(err, store.ErrNotFound):
		into.nothing()
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		into.fail("%s: %v", where, err)
	default:
		into.refuse()
	}
}

// fileLetter writes a letter that says it is the victim's: it is filed under the handle's tenant all the same.
func fileLetter(ctx context.Context, w *World) Outcome {
	letter := store.DeadLetter{
		ID: w.Attacker.id("filed"), Tenant: w.Victim.ID, EventID: "filed", Reason: events.DataNotJSON, Lane: w.Attacker.Lane,
		FailedAt: w.Attacker.CreatedAt, FirstFailedAt: w.Attacker.CreatedAt,
	}
	if err := w.rows(w.Attacker.ID).SaveDeadLetters(ctx, []store.DeadLetter{letter}); err != nil {
		return fault(err)
	}
	var into tally
	_, err := w.rows(w.Victim.ID).DeadLetter(ctx, letter.ID)
	switch {
	case err == nil:
		into.leak("the victim has a letter that the attacker wrote")
	case errors.Is(err, store.ErrNotFound):
		into.nothing()
	default:
		into.fail("%v", err)
	}
	return into.outcome()
}

// rowsOfNobody asks by the platform's id, which is no tenant's.
func rowsOfNobody(ctx context.Context, w *World) Outcome {
	nobody := w.rows(uuid.Nil)
	var into tally
	found, err := nobody.Records(ctx, events.Property, []store.Wanted{{Key: w.Victim.property()}, {Key: w.Attacker.property()}})
	w.judgeValue("records", found, err, &into)
	states, err := nobody.IndexStates(ctx, w.Model, []store.Wanted{{Key: w.Victim.property()}})
	w.judgeValue("index", states, err, &into)
	letter, err := nobody.DeadLetter(ctx, w.Victim.letter())
	w.judgeValue("dead letter", letter, err, &into)
	return into.outcome()
}

// mustErr counts a call that has to fail.
func mustErr(into *tally, what string, err error) {
	switch {
	case err == nil:
		into.leak("%s was let through", what)
	case errors.Is(err, store.ErrUnavailable):
		into.fail("%s: %v", what, err)
	default:
		into.refuse()
	}
}

func objectsOfNobody(ctx context.Context, w *World) Outcome {
	if w.Objects == nil {
		return notApplicable("no S3_URL")
	}
	nobody := w.Objects(uuid.Nil)
	var into tally
	mustErr(&into, "put", nobody.Put(ctx, "a", strings.NewReader("x"), 1, "text/plain"))
	body, err := nobody.Open(ctx, w.Victim.ID.String()+"/"+w.Victim.documentKey())
	if err == nil {
		_ = body.Close()
	}
	mustErr(&into, "open", err)
	mustErr(&into, "delete", nobody.Delete(ctx, "a"))
	for _, err := range nobody.List(ctx, "") {
		mustErr(&into, "list", err)
		break
	}
	_, err = nobody.ReadSpan(ctx, w.Victim.Span)
	mustErr(&into, "read span", err)
	return into.outcome()
}

func pointsOfNobody(ctx context.Context, w *World) Outcome {
	if w.Points == nil {
		return notApplicable("no QDRANT_URL")
	}
	nobody := w.Points(uuid.Nil)
	var into tally
	_, err := nobody.Search(ctx, store.Query{Vector: w.Victim.Vector, Limit: 10})
	mustErr(&into, "search", err)
	_, err = nobody.Count(ctx)
	mustErr(&into, "count", err)
	_, err = nobody.Points(ctx, []string{w.Victim.property()})
	mustErr(&into, "look up", err)
	mustErr(&into, "upsert", nobody.Upsert(ctx, []store.Point{w.Victim.point()}))
	mustErr(&into, "delete", nobody.Delete(ctx, []string{w.Victim.property()}))
	mustErr(&into, "delete by id", nobody.DeletePoints(ctx, []string{w.Victim.pointID()}))
	for _, err := range nobody.List(ctx) {
		mustErr(&into, "list", err)
		break
	}
	return into.outcome()
}

// zeroHandles uses handles that were not made by a client's Tenant.
func zeroHandles(ctx context.Context, w *World) Outcome {
	var into tally
	for what, use := range map[string]func() error{
		"rows": func() error {
			_, err := new(postgres.Tenant).Records(ctx, events.Property, []store.Wanted{{Key: w.Victim.property()}})
			return err
		},
		"platform": func() error { _, err := new(postgres.Platform).Tenants(ctx); return err },
		"objects":  func() error { _, err := new(objects.Tenant).Open(ctx, w.Victim.documentKey()); return err },
		"points":   func() error { _, err := new(qdrant.Tenant).Count(ctx); return err },
	} {
		mustErr(&into, what, recovered(use))
	}
	return into.outcome()
}

// recovered turns a panic into an error: a handle without a client cannot do anything else.
func recovered(use func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return use()
}

// tenantParameters looks for a method of a tenant's handle that lets its caller name a tenant, or hands out what is not
// bound to one.
func tenantParameters(context.Context, *World) Outcome {
	var into tally
	foreign := []reflect.Type{
		reflect.TypeFor[store.Tenant](), reflect.TypeFor[*postgres.DB](), reflect.TypeFor[*postgres.Platform](),
		reflect.TypeFor[*objects.Client](), reflect.TypeFor[*qdrant.Client](),
	}
	for _, handle := range []reflect.Type{
		reflect.TypeFor[*postgres.Tenant](), reflect.TypeFor[*objects.Tenant](), reflect.TypeFor[*qdrant.Tenant](),
	} {
		for method := range handle.Methods() {
			var used []reflect.Type
			for in := range method.Type.Ins() {
				used = append(used, in)
			}
			for out := range method.Type.Outs() {
				used = append(used, out)
			}
			if slices.ContainsFunc(used, func(t reflect.Type) bool { return slices.Contains(foreign, t) }) {
				into.leak("%s.%s names a tenant, or what is not bound to one", handle, method.Name)
			} else {
				into.refuse()
			}
		}
	}
	return into.outcome()
}

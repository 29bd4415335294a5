package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// secondNeeded is the refusal of a discard of more letters than one person may discard.
const secondNeeded api.Problem = "second-needed"

// discard gives up the open letters of a group, as the page showed it: those that died later are not among them.
func (c *Console) discard(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	fingerprint, why := r.PathValue("fingerprint"), strings.TrimSpace(r.PostForm.Get("why"))
	until, err := time.Parse(time.RFC3339, r.PostForm.Get("until"))
	switch {
	case ofAll(r) && who.Tenant.ID != uuid.Nil:
		return refused(http.StatusForbidden, mayNotAct)
	case why == "" || utf8.RuneCountInString(why) > maxWhyRunes:
		return refused(http.StatusUnprocessableEntity, whyMissing)
	case err != nil:
		return refused(http.StatusUnprocessableEntity, api.ProblemInvalid)
	}
	if _, err := c.lettersOf(who).LetterGroup(ctx, fingerprint); err != nil {
		return shown{}, err
	}
	order := store.DiscardOrder{Act: store.Act{By: who.Subject, Why: why}}
	order.Meant.DeadLetterFilter = store.DeadLetterFilter{Fingerprint: fingerprint, State: store.LetterOpen, Until: until}
	if who.Tenant.ID != uuid.Nil {
		order.Meant.Tenant = &who.Tenant.ID
	}
	if _, err := c.Desk.Discard(ctx, order); errors.Is(err, store.ErrSecondNeeded) {
		return refused(http.StatusConflict, secondNeeded)
	} else if err != nil {
		return shown{}, err
	}
	return goTo(groupURL(who.Tenant.ID, fingerprint))
}

// just is the moment behind another, as forms write it: what was up to the one is before it.
func just(after time.Time) string { return after.Add(time.Microsecond).UTC().Format(time.RFC3339Nano) }

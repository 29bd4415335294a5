package isolation

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

func telemetryAttempts(*World) []Attempt {
	return []Attempt{
		{Name: "find values of tenants in metrics", Layer: Telemetry, Try: searchMetrics},
		{Name: "find values of tenants in log lines", Layer: Telemetry, Try: searchLogs},
	}
}

// searchMetrics looks for contents and names of both canaries in everything that this process exports. Their ids may be
// there: a metric of a tenant carries it.
func searchMetrics(_ context.Context, w *World) Outcome {
	if w.Metrics == nil {
		return notApplicable("this process exports no metrics")
	}
	families, err := w.Metrics.Gather()
	if err != nil {
		return fault(err)
	}
	var text strings.Builder
	for _, family := range families {
		fmt.Fprintln(&text, family)
	}
	return w.searchText("metrics", text.String())
}

func searchLogs(_ context.Context, w *World) Outcome {
	if w.Logs == nil {
		return notApplicable("log lines are not kept here: search them for %s where they are", w.Victim.Secret)
	}
	return w.searchText("log lines", w.Logs())
}

func (w *World) searchText(where, text string) Outcome {
	var into tally
	for _, c := range []*Canary{w.Attacker, w.Victim} {
		for what, value := range map[string]string{"content": c.Secret, "broker password": password(c.Connection)} {
			if value != "" && strings.Contains(text, value) {
				into.leak("%s show a %s", where, what)
			}
		}
	}
	into.nothing()
	return into.outcome()
}

// password is a connection URL's; empty where there is none.
func password(connection string) string {
	parsed, err := url.Parse(connection)
	if err != nil {
		return ""
	}
	password, _ := parsed.User.Password()
	return password
}

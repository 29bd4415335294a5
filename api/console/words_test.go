package console

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func TestLocalLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"": "/", "/": "/", "/tenants/x?q=a%20b": "/tenants/x?q=a%20b", "https://evil.example/": "/", "//evil.example/": "/", `/\evil.example`: "/",
		"/%2Fevil.example": "/", "javascript:alert(1)": "/", "tenants/x": "/", "/sign-out": "/", "/sign-in?next=/sign-in": "/", "/a\r\nX: y": "/",
		"/tenants/K%2F1": "/tenants/K%2F1", "\t//evil.example": "/", "/#x": "/",
	} {
		require.Equal(t, want, local(next), next)
	}
}

func TestPayloadsAreLegibleAndSecretsMasked(t *testing.T) {
	t.Parallel()
	p := legible([]byte(`{"b":1.50,"a":[],"Agent":{"Api-Token":"s3cr3t","x":[1,{"password":{"deep":"s3cr3t"}}]},"html":"<b>","null":null,"e":{}}`))
	require.Equal(t, `{
  "b": 1.50,
  "a": [],
  "Agent": {
    "Api-Token": "••••••",
    "x": [
      1,
      {
        "password": "••••••"
      }
    ]
  },
  "html": "<b>",
  "null": null,
  "e": {}
}`, p.Text, "numbers and order as they came")
	require.Equal(t, "JSON", p.Kind)
	require.True(t, json.Valid([]byte(p.Text)))

	p = legible([]byte("user=ann&password=s3cr3t&x=1\nAuthorization: Bearer s3cr3t\n\"api_key\": \"s3cr3t\",\x00"))
	require.NotContains(t, p.Text, "s3cr3t")
	require.Contains(t, p.Text, "user=ann&password=••••••&x=1\n")
	require.Equal(t, "text, not JSON", p.Kind)
	require.NotContains(t, p.Text, "\x00")

	require.Equal(t, "bytes, not text", legible([]byte{0xff, 'a'}).Kind)
	require.Equal(t, payload{Kind: "empty"}, legible(nil))
	p = legible([]byte(`"` + strings.Repeat("x", 2*maxPayloadShown) + `"`))
	require.True(t, p.Cut)
	require.Len(t, p.Text, maxPayloadShown)
	require.Equal(t, []headerField{{"cookie", masked}, {"x", "1"}}, legibleHeaders(map[string]string{"x": "1", "cookie": "s3cr3t"}))
}

func FuzzPayloads(f *testing.F) {
	f.Add([]byte(`{"token":"x","a":[1,2,{"b":null}]}`))
	f.Add([]byte("password=1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := legible(body)
		if p.Kind == "JSON" && !p.Cut {
			require.True(t, json.Valid([]byte(p.Text)), "%q", p.Text)
		}
	})
}

func TestNumbersAndSpans(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1\u202f234\u202f567", count(1234567))
	require.Equal(t, "-1\u202f234", count(int64(-1234)))
	require.Equal(t, "-123", count(-123))
	require.Equal(t, "99.9\u202f%", percent(.9999), "not all is never all")
	require.Equal(t, "100\u202f%", percent(1))
	require.Equal(t, "250\u202fms", span(.25))
	require.Equal(t, "2.5\u202fs", span(2.5))
	require.Equal(t, "2m", span(120))
	require.Equal(t, "1 event", plural(1, "event", "events"))
	require.Equal(t, "1\u202f000 events", plural(int64(1000), "event", "events"))
}

func TestASparkHasABarForEveryHalfHour(t *testing.T) {
	t.Parallel()
	from, to := sparkWindow(time.Date(2026, 1, 2, 12, 10, 0, 0, time.UTC))
	require.Equal(t, time.Date(2026, 1, 2, 12, 30, 0, 0, time.UTC), to, "the last bar is of now")
	require.Equal(t, 47*sparkStep, to.Sub(from))
	require.Equal(t, "no history yet", newSpark(nil, from).Words)
	var samples []store.FreshnessSample
	for at := from; !at.After(to); at = at.Add(sparkStep) {
		samples = append(samples, store.FreshnessSample{At: at, State: store.Fresh})
	}
	samples[3].State = store.Critical
	s := newSpark(samples, from)
	require.Equal(t, "of the last 24 hours: critical for 30m, fresh for 23h30m", s.Words)
	require.Equal(t, "M10 20v-20", s.Bars[0].Path)
	require.Equal(t, 47, strings.Count(s.Bars[1].Path, "M"))
}

// Nobody needs to see colours: within a kind, states differ by their shape, and there is none without looks.
func TestEveryStateHasAShapeOfItsOwn(t *testing.T) {
	t.Parallel()
	shapes := map[string]bool{}
	for _, state := range store.FreshnessStates {
		require.Contains(t, freshLooks, state)
		shapes[shape(state)] = true
	}
	require.Len(t, shapes, len(store.FreshnessStates))
	for _, outcome := range events.Outcomes {
		if outcome != events.Retried { // the end of no event
			require.Contains(t, eventLooks, api.EventState(outcome))
		}
	}
	for _, kind := range store.LetterKinds {
		require.Contains(t, kindLooks, kind)
	}
	for _, state := range store.LetterStates {
		require.Contains(t, letterLooks, state)
	}
	sprite, err := files.ReadFile("templates/shapes.html")
	require.NoError(t, err)
	for _, kind := range []map[string]looks{runLooks} {
		for _, l := range kind {
			require.Contains(t, string(sprite), `id="i-`+l.shape+`"`)
		}
	}
}

package console

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// words are the functions of templates.
var words = template.FuncMap{
	"count": count, "percent": percent, "tenths": tenths,

	"ago": ago, "age": age, "moment": moment, "minute": minute, "now": nowTag, "span": func(s store.Seconds) string { return span(float64(s)) }, "title": title,
	"tenantURL": tenantURL, "eventURL": eventURL, "recordURL": recordURL, "runsURL": runsURL, "runURL": runURL,
	"lettersURL": lettersURL, "letterURL": letterURL, "groupURL": groupURL, "planURL": planURL, "narrowedTo": narrowedTo, "meaning": meaning, "just": just, "seconds": span, "addressable": addressable,
	"known": func(id uuid.UUID) bool { return id != uuid.Nil }, "spoken": spoken, "prose": prose, "text": func(v any) string { return fmt.Sprint(v) },
	"tone": tone, "shape": shape, "outcome": named, "plural": plural,
}

// number is any of Go's whole numbers.
type number interface{ ~int | ~int64 }

// count writes a number with thin spaces between thousands: 12 345.
func count(n any) string {
	switch n := n.(type) {
	case int:
		return grouped(n)
	case int64:
		return grouped(n)
	}
	return fmt.Sprint(n)
}

func grouped[N number](n N) string {
	digits := fmt.Sprint(n)
	var out strings.Builder
	for i, digit := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			out.WriteRune('\u202f')
		}
		out.WriteRune(digit)
	}
	return out.String()
}

// plural is a count with its noun.
func plural(n any, one, many string) string {
	if text := count(n); text != "1" {
		return text + " " + many
	}
	return "1 " + one
}

// percent writes a share without rounding it up to all: 99.9 %, not 100 %.
func percent(share float64) string {
	return fmt.Sprintf("%v\u202f%%", math.Floor(share*1000)/10)
}

// tenths writes what is per cent already.
func tenths(share *float64) string { return fmt.Sprintf("%.4g\u202f%%", *share) }

// ago is a moment of the past as people say it, with the whole of it for who asks: `12m ago`.
func ago(t time.Time) template.HTML {
	return timeTag(t, "data-ago", store.AgeWords(time.Since(t))+" ago")
}

// age is how long ago a moment was: `12m`.
func age(t time.Time) template.HTML {
	return timeTag(t, "data-age", store.AgeWords(time.Since(t)))
}

// moment is a moment in full.
func moment(t time.Time) template.HTML {
	format := "2006-01-02 15:04:05"
	if t.Nanosecond() != 0 {
		format += ".000"
	}
	return timeTag(t, "data-full", t.UTC().Format(format))
}

// minute is a moment to the minute.
func minute(t time.Time) template.HTML {
	return timeTag(t, "data-full", t.UTC().Format("2006-01-02 15:04"))
}

// nowTag is when the page was made.
func nowTag(t time.Time) template.HTML {
	return timeTag(t, "data-now", t.UTC().Format("15:04:05")+" UTC")
}

// timeTag has no text of others in it.
func timeTag(t time.Time, kind, text string) template.HTML {
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s" %s>%s</time>`,
		t.Format(time.RFC3339Nano), t.Format("2006-01-02 15:04:05")+" UTC", kind, text))
}

// span writes a duration in seconds as briefly as it makes sense.
func span(seconds float64) string {
	switch {
	case seconds < 1:
		return fmt.Sprintf("%d\u202fms", int(math.Round(seconds*1000)))
	case seconds < 60:
		return fmt.Sprintf("%.3g\u202fs", seconds)
	}
	return store.AgeWords(time.Duration(seconds * float64(time.Second)))
}

// title begins a text with a capital letter.
func title(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// spoken writes a name of the contract as words: living_area, as living area.
func spoken(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

// prose makes code of what stands between backquotes.
func prose(text string) template.HTML {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		out.WriteString(part)
	}
	return template.HTML(out.String()) // every part of it is escaped above
}

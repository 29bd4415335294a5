package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browserPatience bounds each wait for something on a page.
const browserPatience = 40 * time.Second

// browser is a real, headless Chromium with one tab, and a profile of its own.
type browser struct {
	t     *testing.T
	ctx   context.Context
	shots string // where screenshots go
}

// openBrowser starts it. A machine without Chromium fails the test; it never skips.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	_, err := exec.LookPath("chromium")
	require.NoError(t, err, "compose/services install chromium")
	shots := t.TempDir()
	if dir := os.Getenv("REOS_SCREENSHOTS"); dir != "" { // docs/console keeps some of them
		shots, err = filepath.Abs(dir)
		require.NoError(t, err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("headless", "new"),
	}
	for _, flag := range []string{
		"no-sandbox", "disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-dev-shm-usage", "disable-extensions", "hide-scrollbars", "mute-audio",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser's end, so that its profile can be removed
		closeTab()
	})
	b := &browser{t: t, ctx: ctx, shots: shots}
	require.NoError(t, chromedp.Do(ctx)) // starts it; a context with a deadline would end it at that
	b.look(views[0])
	return b
}

// do does things in the tab, all of them within browserPatience.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...))
}

// evaluate evaluates an expression in the page.
func evaluate[T any](b *browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// value is what an expression is in the page.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	found, err := evaluate[T](b, expression)
	require.NoError(b.t, err, expression)
	return found
}

// open goes to a page and waits for it.
func (b *browser) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
	b.awaitTrue(`document.readyState === "complete" && document.querySelector("main") !== null`)
}

// text is what a person reads in the first element that a selector finds; empty where there is none, or no page just now.
func (b *browser) text(selector string) string {
	text, _ := evaluate[string](b, fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "").replaceAll(/\s+/g, " ").trim()`, selector))
	return text
}

// await waits until an element says something.
func (b *browser) await(selector, text string) {
	b.t.Helper()
	last := ""
	require.Eventually(b.t, func() bool {
		last = b.text(selector)
		return strings.Contains(last, text)
	}, browserPatience, 50*time.Millisecond, "%s does not say %q: %v", selector, text, stringer(func() string { return last }))
}

// stringer tells what is known when it is asked.
type stringer func() string

func (s stringer) String() string { return s() }

// awaitTrue waits until an expression is true. While a page goes, it is not.
func (b *browser) awaitTrue(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		is, err := evaluate[bool](b, expression)
		return err == nil && is
	}, browserPatience, 20*time.Millisecond, expression)
}

// signIn brings a token to the form of the page that is open, and waits for the answer.
func (b *browser) signIn(token string) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`window.before = true, document.querySelector("#token").value = %q, document.querySelector(".gate form").requestSubmit(), true`, token))
	b.awaitTrue(`window.before !== true && document.readyState === "complete"`)
}

// A view is how a page is looked at.
type view struct {
	name          string
	scheme        string
	width, height int64
}

var views = []view{{"light", "light", 1280, 800}, {"dark", "dark", 1280, 800}, {"phone", "light", 360, 740}}

// look makes the tab look at its page in another way.
func (b *browser) look(v view) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(v.width, v.height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}},
		})
		return err
	}))
}

// withoutScripts lets pages run no script from now on.
func (b *browser) withoutScripts() {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

//go:embed testdata/accessible.js
var accessible string

// inspect looks at the page that is open in every view, checks that everybody can use it, and takes a picture.
func (b *browser) inspect(name string) {
	b.t.Helper()
	for _, v := range views {
		b.look(v)
		assert.Empty(b.t, value[[]string](b, accessible), "%s, %s", name, v.name)
		b.shoot(name + "-" + v.name)
	}
	b.look(views[0])
}

// maxShot is how much of a long page a picture shows.
const maxShot = 1600

// shoot takes a picture of the page, from its top.
func (b *browser) shoot(name string) {
	b.t.Helper()
	width := value[float64](b, `innerWidth`)
	height := value[float64](b, `Math.max(innerHeight, document.documentElement.scrollHeight)`)
	beyond := true
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		picture, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{
			Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: &beyond,
			Clip: &page.Viewport{Width: width, Height: min(height, maxShot), Scale: 1},
		})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(b.shots, name+".png"), picture.Data, 0o644)
	}))
}

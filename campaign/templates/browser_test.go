package templates_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facteur/campaign/templates"
	"facteur/internal/services/servicestest"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// gallery shows rendered templates to a real browser, which can reach nothing else.
type gallery struct {
	t       *testing.T
	browser context.Context
	url     string
}

func openGallery(t *testing.T) *gallery {
	t.Helper()
	path := servicestest.Chromium(t)
	pages := map[string]string{}
	for _, tpl := range templates.All() {
		_, page, _ := rendered(t, tpl, "Ada Lovelace")
		pages["/"+tpl.Name+"/"+tpl.Locale] = page
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if page, ok := pages[r.URL.Path]; ok {
			if r.URL.RawQuery == "night" {
				page = strings.ReplaceAll(page, "(prefers-color-scheme:dark)", "all")
			}
			_, _ = w.Write([]byte(page))
		} else if locale, ok := strings.CutPrefix(r.URL.Path, "/sheet/"); ok {
			_, _ = w.Write([]byte(sheet(locale)))
		} else if r.URL.Path != "/favicon.ico" {
			t.Errorf("a page asked for %s", r.URL)
		}
	}))
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), chromedp.UserDataDir(t.TempDir()))
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(all)
	t.Cleanup(func() { closeTab(); end() })
	if err := chromedp.Do(ctx); err != nil { // its first context is the browser's life
		t.Fatal(err)
	}
	return &gallery{t, ctx, server.URL}
}

// look opens a page at a width, light or dark.
func (g *gallery) look(t *testing.T, path string, width int64, scheme string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(g.browser, 30*time.Second)
	defer cancel()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(g.url+path)); err != nil {
		t.Fatal(err)
	}
}

// shot is a picture of the whole page.
func (g *gallery) shot(t *testing.T) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(g.browser, 30*time.Second)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func (g *gallery) faults(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(g.browser, 30*time.Second)
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](inspection))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// inspection lists what is wrong with the page as it is shown.
const inspection = `(() => {
	const faults = [], say = s => { if (!faults.includes(s)) faults.push(s) }
	if (document.compatMode != "CSS1Compat") say("quirks mode")
	if (document.documentElement.scrollWidth > innerWidth) say("scrolls sideways: " + document.documentElement.scrollWidth + " > " + innerWidth)
	const rgb = s => { const m = s.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m }
	const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
	const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] == 1) return c; if (c[3] > 0) say("half transparent ground") } say("no ground") ; return [255, 255, 255] }
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement, text = walk.currentNode.data.trim(), css = getComputedStyle(e)
		const range = document.createRange()
		range.selectNodeContents(walk.currentNode)
		const box = range.getBoundingClientRect()
		if (!text || !e.checkVisibility() || box.height == 0) continue
		const about = " of «" + text.slice(0, 40) + "»", size = parseFloat(css.fontSize)
		if (size < (e.closest(".soft,sup") ? 13 : 16)) say("size " + css.fontSize + about)
		if (box.left < 16 || box.right > innerWidth - 16) say("too near the edge: " + box.left + " to " + box.right + about)
		const block = e.closest("p,li,td,h1,h2"), line = parseFloat(getComputedStyle(block).lineHeight) / parseFloat(getComputedStyle(block).fontSize)
		if (parseFloat(getComputedStyle(block).fontSize) <= 20 && line < 1.39 || block.matches("p,li") && parseFloat(getComputedStyle(block).fontSize) < 24 && line < 1.5) say("line height " + line + about)
		const a = light(rgb(css.color)), b = light(ground(e)), contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
		if (contrast < 4.5) say("contrast " + contrast.toFixed(2) + about)
		if (css.textTransform != "none") say("text-transform" + about)
	}
	for (const a of document.links) {
		const about = " of «" + a.textContent + "»", css = getComputedStyle(a), button = a.classList.contains("btn")
		a.scrollIntoView({block: "center"})
		const box = a.getBoundingClientRect()
		if (!a.contains(document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2))) say("cannot be reached: link" + about)
		if (box.height < (button ? 44 : 24) || box.width < 44) say("size " + box.width + "×" + box.height + about)
		if (!button && css.textDecorationLine != "underline") say("no underline" + about)
	}
	scrollTo(0, 0)
	return faults
})()`

// Each template is shown by a real browser at the width of a phone, of a
// reading pane and of a window, by day and by night. The pictures are kept in
// the folder FACTEUR_TEST_PICTURES, if that is set.
func TestTemplates_AreReadableInABrowser(t *testing.T) {
	g := openGallery(t)
	dir := os.Getenv("FACTEUR_TEST_PICTURES")
	if dir == "" {
		dir = t.TempDir()
	}
	each(t, func(t *testing.T, tpl templates.Template) {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{320, 600, 800} {
				g.look(t, "/"+tpl.Name+"/"+tpl.Locale, width, scheme)
				for _, fault := range g.faults(t) {
					t.Errorf("%d px, %s: %s", width, scheme, fault)
				}
				file := fmt.Sprintf("%s-%s-%d-%s.png", tpl.Name, tpl.Locale, width, scheme)
				if err := os.WriteFile(filepath.Join(dir, file), g.shot(t), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

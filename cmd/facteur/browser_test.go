package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func (v *visitor) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.browser, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		v.t.Fatalf("%s: %v", what, err)
	}
}

// press clicks. (chromedp's own way waits for ever on a page with a sandboxed
// frame, which lives in a process of its own.)
func (v *visitor) press(selector string) {
	v.t.Helper()
	if !v.ask(fmt.Sprintf("(e => e ? (e.click(), true) : false)(document.querySelector(%q))", selector)) {
		v.t.Fatalf("nothing to press at %s", selector)
	}
}

// await waits until the page says something at a place.
func (v *visitor) await(selector, says string) {
	v.t.Helper()
	for range 300 {
		if v.ask(fmt.Sprintf("(document.querySelector(%q)?.innerText ?? '').includes(%q)", selector, says)) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	v.t.Fatalf("the page does not say %q at %s", says, selector)
}

func (v *visitor) ask(script string) bool {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.browser, 30*time.Second)
	defer cancel()
	yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
	return err == nil && yes // an error is a page that is being left
}

// shot keeps a picture in the folder FACTEUR_TEST_PICTURES, if that is set.
func (v *visitor) shot(name string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, at *chromedp.Target) (chromedp.Void, error) {
		dir := os.Getenv("FACTEUR_TEST_PICTURES")
		if dir == "" {
			return chromedp.Void{}, nil
		}
		time.Sleep(300 * time.Millisecond) // frames load; nothing depends on it
		picture, err := chromedp.CaptureScreenshot()(ctx, at)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
		}
		return chromedp.Void{}, err
	}
}

// visitor looks at pages with a real browser.
type visitor struct {
	t       *testing.T
	browser context.Context
}

// newVisitor opens the browser at path, until the test ends.
func newVisitor(t *testing.T, path string) visitor {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(t.TempDir()))
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(all)
	t.Cleanup(func() { closeTab(); end() })
	if err := chromedp.Do(ctx); err != nil { // its first context is the browser's life
		t.Fatal(err)
	}
	return visitor{t, ctx}
}

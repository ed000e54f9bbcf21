package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services/servicestest"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// shownDemo is a demo that stays up.
type shownDemo struct {
	visitor
	out *printed
}

// printed collects what a program prints, and can be read meanwhile.
type printed struct {
	file string
}

func (p *printed) text() string {
	b, _ := os.ReadFile(p.file)
	return string(b)
}

// find is the first group of a pattern in what was printed.
func (d *shownDemo) find(pattern string) string {
	d.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(d.out.text())
	if m == nil {
		d.t.Fatalf("the demo printed no %s:\n%s", pattern, d.out.text())
	}
	return m[1]
}

// The demo tells what happened, stays up for a reader who leaves with a real
// browser, and leaves nothing behind.
func TestDemo_ShowsAMailboxFromWhichOneCanLeave(t *testing.T) {
	browser := servicestest.Chromium(t)
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &shownDemo{out: &printed{filepath.Join(dir, "printed")}}
	d.t = t
	temporary := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temporary, 0o755); err != nil {
		t.Fatal(err)
	}
	demo := exec.Command(binary, "demo", "--people", "120")
	demo.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + temporary}
	demo.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	file, err := os.Create(d.out.file)
	if err != nil {
		t.Fatal(err)
	}
	demo.Stdout, demo.Stderr = file, file
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- demo.Wait() }()
	t.Cleanup(func() { _ = demo.Process.Kill() })
	for !strings.Contains(d.out.text(), "It stays up") {
		select {
		case err := <-ended:
			t.Fatalf("the demo ended: %v\n%s", err, d.out.text())
		case <-time.After(50 * time.Millisecond):
		}
	}
	d.visitor = newVisitor(t, browser)
	d.look()

	if err := demo.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, d.out.text())
	}
	if left, _ := filepath.Glob(filepath.Join(temporary, "facteur-*")); len(left) > 0 {
		t.Errorf("the demo left %v behind", left)
	}
}

// look goes through the pages as a person would.
func (d *shownDemo) look() {
	t := d.t
	box := d.find(`their readers see them +(http://\S+)`)
	list := d.find(`The list has (\d+) people now`)
	d.do("the inbox", chromedp.EmulateViewport(1100, 800), chromedp.Navigate(box+"/"), d.shot("inbox"))
	d.do("the inbox on a phone", chromedp.EmulateViewport(360, 740), chromedp.Navigate(box+"/"), d.shot("inbox-phone"))
	d.do("found mails", chromedp.EmulateViewport(1100, 900), chromedp.Navigate(box+"/?q=gmail.com"), d.shot("found"))
	d.press("ul.mails li:last-child a")
	d.await(".tabs", "Source")
	d.do("a mail", d.shot("mail"))
	d.press(".acts button")
	d.await(".said", "200 OK: unsubscribed")
	d.do("left", d.shot("left"))
	d.press("button.warm")
	d.await(".said.bad", "mails this person no more")
	d.press(`.tabs a[href="?view=source"]`)
	d.await(".sheet pre", "List-Unsubscribe-Post: List-Unsubscribe=One-Click")
	dark := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}
	if _, err := chromedp.Call(d.browser, emulation.SetEmulatedMedia, dark); err != nil {
		t.Fatal(err)
	}
	d.do("in the dark", chromedp.Navigate(box+"/"), d.shot("inbox-dark"))
	d.do("the leave page", chromedp.EmulateViewport(400, 740), chromedp.Navigate(d.find(`page for leaving +(http://\S+)`)), d.shot("leave"))
	d.do("the calls", chromedp.EmulateViewport(1100, 800), chromedp.Navigate(d.find(`every call, to try +(http://\S+)`)), d.shot("docs"))

	var now struct {
		Items []struct {
			Sizes struct{ Confirmed json.Number }
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.find(`API=(http://\S+)`)+"/lists", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.find(`TOKEN=(\S+)`))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&now); err != nil || len(now.Items) != 1 {
		t.Fatalf("lists: %+v, %v", now, err)
	}
	if got := now.Items[0].Sizes.Confirmed.String(); got == list {
		t.Errorf("%s people before and after one has left", got)
	}
}

func TestDemo_EndsWithItsReport(t *testing.T) {
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), binary, "demo", "--exit", "--people", "250")
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	if err := run.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"250 people came to the list", "100%  250 of 250", "     250  recipients", "0 of them twice", "dead address   550 5.1.1", "Who left", "real providers were not tried",
	} {
		if !strings.Contains(strings.ReplaceAll(out.String(), "dead address  ", "dead address   "), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out.String())
		}
	}
}

func TestDemo_RefusesStrangeNumbers(t *testing.T) {
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "demo", "--people", "0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--people 0: want 1 to 100000") {
		t.Errorf("%v: %s", err, out)
	}
}

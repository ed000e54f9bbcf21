package main

import (
	"strings"
	"testing"

	"facteur/internal/services/servicestest"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A person signs up, confirms, chooses, leaves and comes back with a real
// browser, without a script on any page.
func TestPages_LeadThroughALifeOnAList(t *testing.T) {
	browser := servicestest.Chromium(t)
	p := newParlour(t, Config{SignupLimits: "address=10/24h"})
	v := newVisitor(t, browser)
	base := "http://" + p.app.Addr()
	phone := chromedp.EmulateViewport(390, 800)
	v.do("the form", phone, chromedp.Navigate(base+"/subscribe/"+p.list), v.shot("form"))
	v.do("no address", chromedp.Evaluate[chromedp.Void](`document.querySelector("#email").setAttribute("type", "text"); document.querySelector("#email").value = "ada@example"`))
	v.press("button")
	v.await(".error", "no e-mail address")
	v.do("refused", v.shot("form-refused"))
	v.do("an address", chromedp.Evaluate[chromedp.Void](`document.querySelector("#email").value = "ada@example.org"`))
	v.press("button")
	v.await("h1", "Look into your mailbox")
	v.do("signed up", v.shot("signed-up"))

	question := p.await("ada@example.org", 1)
	v.do("the question", chromedp.Navigate(base+question.link("/c/")), v.shot("confirm"))
	v.press("button")
	v.await("h1", "you are on the list")
	v.do("confirmed", v.shot("confirmed"))

	p.mail("news")
	news := p.await("ada@example.org", 2)
	v.do("the way out", chromedp.Navigate(base+news.link("/u/")))
	v.do("its other ways", chromedp.Evaluate[chromedp.Void](`document.querySelector("details").open = true`), v.shot("leave-more"))
	v.press(`button[value="leave"]`)
	v.await("h1", "You have left")
	v.do("left", v.shot("left-undo"))
	v.press(`button[value="undo"]`)
	v.await("h1", "You are back")
	v.do("back", v.shot("back"), chromedp.Navigate(base+news.link("/u/")+"?lang=fr"))
	v.press(`button[value="access"]`)
	v.await("h1", "Regardez votre boîte")

	choices := p.await("ada@example.org", 3).link("/p/")
	v.do("her choices", chromedp.EmulateViewport(390, 1400), chromedp.Navigate(base+choices), v.shot("choices"))
	v.do("less often", chromedp.Evaluate[chromedp.Void](`document.querySelector("#often").value = "7"; document.querySelector("#language").value = "fr"`))
	v.press(`button[value="save"]`)
	v.await(".error", "Enregistré")
	dark := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}
	if _, err := chromedp.Call(v.browser, emulation.SetEmulatedMedia, dark); err != nil {
		t.Fatal(err)
	}
	v.do("in the dark, in French", chromedp.EmulateViewport(1100, 1100), chromedp.Navigate(base+choices), v.shot("choices-dark"))
	v.do("her data", chromedp.Navigate(base+choices+"/data?lang=fr"), v.shot("data"))
	v.do("the link's form", chromedp.EmulateViewport(390, 800), chromedp.Navigate(base+"/p"), v.shot("ask"))
	if text := p.must("GET", choices, nil); strings.Contains(text, "<script") {
		t.Error("a page has a script")
	}
}

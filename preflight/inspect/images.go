package inspect

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html/atom"
)

// Weights of images that travel within the mail. A phone on a slow net takes
// a second for 200 kB.
const (
	heavyImage  = 200_000
	heavyImages = 600_000
)

// images looks at each image.
func (i *inspection) images() {
	if i.page == nil {
		return
	}
	var noAlt, noSize, data, unreachable, heavy []string
	sum := 0
	for _, e := range i.page.all(atom.Img) {
		src := strings.TrimSpace(e.attr("src"))
		alt, said := e.has("alt")
		if !said || letters(alt) == 0 && e.link != nil && i.alone(e) {
			noAlt = append(noAlt, e.where())
		}
		if _, ok := e.width(); !ok && e.style["width"] == "" && !strings.HasSuffix(e.attr("width"), "%") {
			noSize = append(noSize, e.where())
		}
		if lower := strings.ToLower(src); strings.HasPrefix(lower, "data:") {
			data = append(data, e.where())
			n := dataSize(src)
			if sum += n; n > heavyImage {
				heavy = append(heavy, fmt.Sprintf("%s, %d kB", e.where(), n/1000))
			}
		} else if !i.reachable(src) {
			unreachable = append(unreachable, e.where())
		}
	}
	for _, f := range i.files {
		if strings.HasPrefix(f.media, "image/") && !f.kept {
			if sum += len(f.body); len(f.body) > heavyImage {
				heavy = append(heavy, fmt.Sprintf("%s, %d kB", firstOf(f.name, f.cid, f.media), len(f.body)/1000))
			}
		}
	}
	for _, one := range []struct {
		code, severity, message string
		places                  []string
	}{
		{"image_alt_missing", Warning, "without an alt text", noAlt},
		{"image_size_missing", Info, "without a width", noSize},
		{"image_data_uri", Warning, "in a data: address, which Gmail and Outlook do not show", data},
		{"image_unreachable", Warning, "that nobody can load", unreachable},
	} {
		if len(one.places) > 0 {
			i.add(one.code, one.severity, count(len(one.places), "image ", "images ")+one.message, one.places...)
		}
	}
	if len(heavy) > 0 || sum > heavyImages {
		i.add("image_heavy", Warning, fmt.Sprintf("the images within the mail have %d kB; one should have %d at most, all %d", sum/1000, heavyImage/1000, heavyImages/1000), heavy...)
	}
}

// alone tells whether an image is all that its link shows.
func (i *inspection) alone(img *element) bool { return letters(i.page.textOf(img.link)) == 0 }

// reachable tells whether an image can be loaded by its address.
func (i *inspection) reachable(src string) bool {
	if cid, ok := strings.CutPrefix(src, "cid:"); ok {
		id, err := url.PathUnescape(cid)
		if err != nil {
			id = cid
		}
		return slices.ContainsFunc(i.files, func(p *part) bool { return p.cid == id && id != "" })
	}
	if leftoverLinks.MatchString(src) {
		return true // said by others
	}
	u, err := url.Parse(src)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "" && strings.HasPrefix(src, "//")) && u.Host != ""
}

// dataSize is how many bytes a data: address holds.
func dataSize(src string) int {
	head, body, _ := strings.Cut(src, ",")
	if strings.HasSuffix(strings.ToLower(head), ";base64") {
		return base64.StdEncoding.DecodedLen(len(body))
	}
	return len(body)
}

// The balance: below enoughText letters of text of one's own, images beside the
// first may take up to six times its place (letters of 16 px cover about 130
// pixels each); with more text, filters do not mind images.
const (
	enoughText  = 500
	noText      = 80
	letterArea  = 130
	imageShare  = 6
	unknownArea = 600 * 200
	smallArea   = 200 * 100 // a logo
	heroArea    = 600 * 300 // one image above the text
)

// balance weighs images against text.
func (i *inspection) balance() {
	if i.page == nil {
		return
	}
	images, area := 0, 0.0
	for _, e := range i.page.all(atom.Img) {
		if e.look.gone != "" {
			continue
		}
		if a := imageArea(e); a > smallArea {
			images++
			area += a
		}
	}
	text := i.ownLetters()
	switch place := fmt.Sprintf("HTML: %s of about %.0f pixels, %d letters", count(images, "image", "images"), area, text); {
	case images == 0:
	case text < noText:
		i.add("image_only", Warning, "the message is in images alone", place)
	case text < enoughText && area > float64(heroArea+text*letterArea*imageShare):
		i.add("image_text_balance", Warning, fmt.Sprintf("there are %d letters of text beside large images; filters want %d", text, enoughText), place)
	}
}

// imageArea is about how many pixels an image takes.
func imageArea(e *element) float64 {
	width, wide := e.width()
	if !wide { // style="width:100%" beside the width that Outlook obeys
		width, wide = attrPixels(e.attr("width"))
	}
	width = min(width, maxWidth)
	height, high := e.height()
	if !wide && strings.HasSuffix(firstOf(e.style["width"], e.attr("width")), "%") {
		width, wide = 600, true
	}
	switch {
	case wide && high:
		return width * height
	case wide:
		return width * width / 2
	case high:
		return height * height * 2
	}
	return unknownArea
}

// ownLetters counts the text that is seen, but for what every mail ends with.
func (i *inspection) ownLetters() int {
	text := plain(i.page.seen)
	for line := range strings.Lines(i.PostalAddress) {
		if l := plain(line); l != "" {
			text = strings.Replace(text, l, "", 1)
		}
	}
	n := letters(text)
	for _, e := range i.page.all(atom.A) {
		if words := i.page.textOf(e); leaveWords.MatchString(words) || webVersions.MatchString(words) {
			n -= letters(words)
		}
	}
	return n
}

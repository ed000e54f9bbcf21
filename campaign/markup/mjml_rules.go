package markup

import "strings"

// inside says which elements may stand in which, as the compiler's own table does; mjml_test.go compares the two.
// What is not in it is no element of MJML, or none that may be used here.
var inside = map[string]string{
	"mjml":                 "mj-body mj-head mj-raw",
	"mj-accordion":         "mj-accordion-element mj-raw",
	"mj-accordion-element": "mj-accordion-title mj-accordion-text mj-raw",
	"mj-accordion-title":   "",
	"mj-accordion-text":    "",
	"mj-attributes":        "*", // of all that may be used, only their attributes count
	"mj-body":              "mj-raw mj-section mj-wrapper mj-hero",
	"mj-breakpoint":        "",
	"mj-button":            "",
	"mj-carousel":          "mj-carousel-image",
	"mj-carousel-image":    "",
	"mj-column":            "mj-accordion mj-button mj-carousel mj-divider mj-image mj-raw mj-social mj-spacer mj-table mj-text mj-navbar",
	"mj-divider":           "",
	"mj-font":              "",
	"mj-group":             "mj-column mj-raw",
	"mj-head":              "mj-attributes mj-breakpoint mj-font mj-preview mj-style mj-title mj-raw",
	"mj-hero":              "mj-accordion mj-button mj-carousel mj-divider mj-image mj-social mj-spacer mj-table mj-text mj-navbar mj-raw",
	"mj-image":             "",
	"mj-navbar":            "mj-navbar-link mj-raw",
	"mj-navbar-link":       "",
	"mj-preview":           "",
	"mj-raw":               "",
	"mj-section":           "mj-column mj-group mj-raw",
	"mj-social":            "mj-social-element mj-raw",
	"mj-social-element":    "",
	"mj-spacer":            "",
	"mj-style":             "",
	"mj-table":             "",
	"mj-text":              "",
	"mj-title":             "",
	"mj-wrapper":           "mj-hero mj-raw mj-section",
}

// holdsHTML tells whether what stands in an element is HTML (or text, or CSS) that MJML hands through.
func holdsHTML(name string) bool {
	switch name {
	case "mj-accordion-text", "mj-accordion-title", "mj-breakpoint", "mj-button", "mj-carousel-image", "mj-navbar-link",
		"mj-preview", "mj-raw", "mj-social-element", "mj-style", "mj-table", "mj-text", "mj-title":
		return true
	}
	return false
}

// mayStand tells whether an element may stand in another.
func mayStand(name, parent string) bool {
	switch parent {
	case "":
		return name == "mjml"
	case "mj-attributes":
		return name == "mj-all" || name == "mj-class" || name != "mjml" && name != "mj-head" && name != "mj-attributes" && isElement(name)
	case "mj-class":
		return mayStand(name, "mj-attributes") && name != "mj-all" && name != "mj-class"
	}
	return contains(inside[parent], name)
}

func isElement(name string) bool {
	_, ok := inside[name]
	return ok
}

// takesTags tells whether tags of the template language may stand between the elements in an element: they go
// through as an mj-raw each. In the head they would not stay beside what they enclose.
func takesTags(parent string) bool {
	return parent != "mjml" && parent != "mj-head" && contains(inside[parent], "mj-raw")
}

func contains(list, word string) bool {
	return strings.Contains(" "+list+" ", " "+word+" ")
}

// parentsOf lists where an element may stand.
func parentsOf(name string) string {
	var all []string
	for _, parent := range []string{
		"mjml", "mj-head", "mj-body", "mj-wrapper", "mj-section", "mj-group", "mj-column", "mj-hero", "mj-accordion", "mj-accordion-element",
		"mj-carousel", "mj-navbar", "mj-social",
	} {
		if contains(inside[parent], name) {
			all = append(all, parent)
		}
	}
	return strings.Join(all, ", ")
}

package markup

import "strings"

// check looks at what is only seen of the whole: how often things stand, and what attributes elements
// get from mj-attributes.
func (r *mjmlReader) check(root *node) *Error {
	var head *node
	for _, n := range root.children {
		switch {
		case n.name == "mj-head" && head == nil:
			head = n
		case n.name == "mj-body" && r.body == nil:
			r.body = n
		case n.name != "mj-raw":
			return r.fail(n.at, "a second <%s> begins; a mail has one", n.name)
		}
	}
	if r.body == nil {
		return r.fail(root.at, "<mjml> has no <mj-body>")
	}
	in := inherited{name: map[string]int{}, class: map[string]int{}, inClass: map[string]int{}}
	if head != nil {
		if err := r.checkHead(head, &in); err != nil {
			return err
		}
	}
	return r.checkBody(r.body, "", &in)
}

// inherited counts the bytes of attributes in mj-attributes.
type inherited struct {
	all     int
	name    map[string]int
	class   map[string]int
	inClass map[string]int // by class and name
	sum     int            // what all elements got
}

func (r *mjmlReader) checkHead(head *node, in *inherited) *Error {
	for _, n := range head.children {
		switch n.name {
		case "mj-font":
			if name := n.attribute("name"); name != "" {
				r.fonts = append(r.fonts, name)
			}
			if len(r.fonts) > maxFonts {
				return r.fail(n.at, "the head names more than %d fonts", maxFonts)
			}
		case "mj-style":
			r.markInline(n)
		case "mj-attributes":
			for _, d := range n.children {
				switch d.name {
				case "mj-all":
					in.all += len(d.raw)
				case "mj-class":
					class := strings.Trim(d.attribute("name"), blanks)
					if class == "" {
						return r.fail(d.at, "<mj-class> needs a name")
					}
					in.class[class] += len(d.raw)
					for _, c := range d.children {
						in.inClass[class+" "+c.name] += len(c.raw)
					}
				default:
					in.name[d.name] += len(d.raw)
				}
			}
		}
	}
	return nil
}

// markInline keeps the CSS of an <mj-style inline="inline"> findable: it is inlined by Inline's means when
// the page is made, and not by the compiler's, which write the whole page anew.
func (r *mjmlReader) markInline(n *node) {
	if n.attribute("inline") != "inline" || n.content == "" {
		return
	}
	n.attributes = nil
	r.inlined += n.content
	n.content = r.marker + n.content + r.marker
}

// checkBody also hands classes down, as the compiler does.
func (r *mjmlReader) checkBody(n *node, classes string, in *inherited) *Error {
	if own := n.attribute("mj-class"); own != "" {
		classes = own
	}
	in.sum += in.all + in.name[n.name]
	for _, class := range strings.Fields(n.attribute("mj-class")) {
		in.sum += in.class[class]
	}
	for _, class := range strings.Fields(classes) {
		in.sum += in.inClass[class+" "+n.name]
	}
	if in.sum > maxInherited {
		return r.fail(n.at, "the elements get more than %d bytes of attributes from mj-attributes", maxInherited)
	}
	if n.name == "mj-carousel" && len(n.children) > maxImages {
		return r.fail(n.at, "the carousel has more than %d images", maxImages)
	}
	for _, c := range n.children {
		if err := r.checkBody(c, classes, in); err != nil {
			return err
		}
	}
	return nil
}

// attribute is a value as it stands, or "".
func (n *node) attribute(name string) string {
	for _, a := range n.attributes {
		if a.name == name {
			return n.raw[a.from:a.to]
		}
	}
	return ""
}

package content

import (
	"bytes"
	"strings"
)

// unlessMarked is shown when the part has not printed the marked word so far: a link that
// stands only in a branch counts for those who get that branch.
type unlessMarked struct {
	mark marks
	body []node
}

func (u *unlessMarked) exec(r *render) signal {
	if r.marks&u.mark != 0 || u.mark == markUnsubscribe && r.person.UnsubscribeURL == "" {
		return next
	}
	return r.run(u.body)
}

const footerStyle = `margin:16px 0;font:12px/1.5 Arial,Helvetica,sans-serif;color:#595959;text-align:center`

// addFooter puts what a part lacks at its bottom: a visible link to unsubscribe, and the
// postal address.
func (p *part) addFooter(f Frame) {
	words := f.Footer
	if words == "" {
		words = "Unsubscribe"
	}
	link := &output{expression: &name{slot: -1, root: rootUnsubscribe}, at: -1}
	var footer []node
	if !prints(p.nodes, rootUnsubscribe) {
		body := []node{newLiteral("\n\n" + words + ": "), link}
		if p.mode == modeHTML {
			body = []node{
				newLiteral("\n<div style=\"" + footerStyle + "\"><a href=\""), link,
				newLiteral("\" style=\"color:#595959\">" + string(appendEscaped(nil, words)) + "</a></div>\n"),
			}
		}
		footer = append(footer, &unlessMarked{markUnsubscribe, body})
	}
	if postal := strings.TrimSpace(f.PostalAddress); postal != "" && !prints(p.nodes, rootPostal) {
		body := "\n\n" + postal
		if p.mode == modeHTML {
			lines := strings.ReplaceAll(string(appendEscaped(nil, postal)), "\n", "<br>\n")
			body = "\n<div style=\"" + footerStyle + "\">" + lines + "</div>\n"
		}
		footer = append(footer, &unlessMarked{markPostal, []node{newLiteral(body)}})
	}
	if len(footer) == 0 {
		return
	}
	if p.mode != modeHTML {
		p.trimEnd()
	}
	p.insert(footer)
}

// trimEnd takes the blank lines at the end of a text away.
func (p *part) trimEnd() {
	if n := len(p.nodes); n > 0 {
		if l, ok := p.nodes[n-1].(*literal); ok {
			p.nodes[n-1] = newLiteral(strings.TrimRight(string(l.plain), blanks))
		}
	}
}

// prints tells whether a part shows a person's value whoever it is.
func prints(nodes []node, what root) bool {
	for _, n := range nodes {
		o, ok := n.(*output)
		if !ok || o.hidden {
			continue
		}
		if n, ok := o.expression.(*name); ok && n.root == what && n.slot < 0 {
			return true
		}
	}
	return false
}

// insert puts nodes before the end of the HTML's body, or at the end.
func (p *part) insert(footer []node) {
	if p.mode == modeHTML {
		for _, tag := range []string{"</body", "</html"} {
			for i := len(p.nodes) - 1; i >= 0; i-- {
				l, ok := p.nodes[i].(*literal)
				if !ok {
					continue
				}
				at := bytes.LastIndex(bytes.ToLower(l.plain), []byte(tag))
				if at < 0 || at > len(l.plain) {
					continue
				}
				whole := string(l.plain)
				middle := append([]node{newLiteral(whole[:at])}, footer...)
				middle = append(middle, newLiteral(whole[at:]))
				p.nodes = append(p.nodes[:i:i], append(middle, p.nodes[i+1:]...)...)
				return
			}
		}
	}
	p.nodes = append(p.nodes, footer...)
}

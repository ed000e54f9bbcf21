package markup

import (
	"bytes"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Markdown makes a whole mail of Markdown: CommonMark with the tables, the struck-out text and the
// bare links of GitHub. HTML in it is refused, since what a mail needs of HTML depends on its frame.
// A line with nothing but {% … %} stands between blocks (and between the rows of a table);
// elsewhere a tag is part of the text around it. The language is that of the text, such as "fr"
// or "pt-BR"; screen readers choose their voice by it. The styles are inlined already.
func Markdown(src, language string) (string, error) {
	if err := checkSource(src, maxMarkdown); err != nil {
		return "", err
	}
	f, err := newFrame(language)
	if err != nil {
		return "", err
	}
	m, broken := masked(src)
	if broken != nil {
		return "", broken
	}
	if err := checkMarkdown(m); err != nil {
		return "", err
	}
	source := []byte(m.text)
	lines := &tagLines{m}
	md := goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(
			parser.WithBlockParsers(util.Prioritized(lines, 50)), // before all others, which begin at 100
			parser.WithASTTransformers(util.Prioritized(lines, 1000)),
		),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(lines, 50))),
	)
	doc := md.Parser().Parse(text.NewReader(source))
	if err := m.refuseHTML(doc); err != nil {
		return "", err
	}
	out := &bounded{most: maxHTML}
	if err := md.Renderer().Render(out, source, doc); err != nil || out.over {
		return "", tooLarge()
	}
	body, order := m.restore(out.String())
	if i := m.firstMissing(order); i >= 0 {
		t := m.tags[i]
		return "", fault(src, t.from, "the tag %s stands where Markdown writes nothing; move it into the text", quoted(src[t.from:t.to]))
	}
	if i := m.repeated(order); i >= 0 {
		t := m.tags[i]
		return "", fault(src, t.from, "the tag %s stands in a link that is both address and text; write it as [text](address)", quoted(src[t.from:t.to]))
	}
	f.title = m.title(doc)
	page, err := Inline(f.around(body))
	return page, placeless(err)
}

// refuseHTML finds the HTML that goldmark would leave out without a word.
func (m *mask) refuseHTML(doc ast.Node) error {
	var found *Error
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walker returns no error
		at := -1
		switch n := n.(type) {
		case *ast.HTMLBlock:
			if at = 0; n.Lines().Len() > 0 {
				at = n.Lines().At(0).Start
			}
		case *ast.RawHTML:
			at = n.Segments.At(0).Start
		}
		if at < 0 {
			return ast.WalkContinue, nil
		}
		found = fault(m.src, m.origin(at), "HTML can't stand in Markdown; write \\< for the sign itself, or the whole content as HTML or MJML")
		return ast.WalkStop, nil
	})
	if found != nil {
		return found
	}
	return nil
}

// title is the text of the first heading, without tags.
func (m *mask) title(doc ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Kind() == ast.KindHeading && !entering {
			return ast.WalkStop, nil
		}
		if t, ok := n.(*ast.Text); ok && entering && inHeading(n) {
			b.Write(t.Value([]byte(m.text)))
			b.WriteByte(' ')
		}
		return ast.WalkContinue, nil
	})
	title := html.UnescapeString(b.String())
	for i, from, to := m.next(title); i >= 0; i, from, to = m.next(title) {
		title = title[:from] + title[to:]
	}
	return strings.Join(strings.Fields(title), " ")
}

func inHeading(n ast.Node) bool {
	for ; n != nil; n = n.Parent() {
		if n.Kind() == ast.KindHeading {
			return true
		}
	}
	return false
}

// bounded takes what is rendered, up to a size.
type bounded struct {
	bytes.Buffer
	most int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		b.over = true
		return 0, tooLarge()
	}
	return b.Buffer.Write(p)
}

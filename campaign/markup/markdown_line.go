package markup

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark/ast"
	table "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// tagLine is a line with nothing but {% … %}. It is written as it is: in a paragraph of its own,
// a condition would leave an empty one behind.
type tagLine struct {
	ast.BaseBlock
	line []byte
}

var kindTagLine = ast.NewNodeKind("TagLine")

func newTagLine(line []byte) *tagLine { return &tagLine{line: bytes.TrimSpace(line)} }

func (*tagLine) Kind() ast.NodeKind              { return kindTagLine }
func (*tagLine) IsRaw() bool                     { return true }
func (l *tagLine) Dump(source []byte, level int) { ast.DumpHelper(l, source, level, nil, nil) }

// tagLines reads, moves and writes such lines.
type tagLines struct{ *mask }

// only tells whether a line has at least one {% … %} and nothing else.
func (l *tagLines) only(line []byte) bool {
	rest := strings.TrimSpace(string(line))
	if rest == "" {
		return false
	}
	for rest != "" {
		i, from, to := l.next(rest)
		if i < 0 || from != 0 || l.tags[i].name == "" {
			return false
		}
		rest = strings.TrimLeft(rest[to:], blanks)
	}
	return true
}

func (l *tagLines) Trigger() []byte { return []byte{l.prefix[0]} }

func (l *tagLines) Open(_ ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	line, _ := reader.PeekLine()
	if !l.only(line) || l.inTable(reader.Source(), pc) {
		return nil, parser.NoChildren
	}
	reader.AdvanceToEOL()
	return newTagLine(line), parser.NoChildren
}

// inTable tells whether the line would end a paragraph that is going to be a table. It then
// stays, as a row, and Transform takes the cells away.
func (l *tagLines) inTable(source []byte, pc parser.Context) bool {
	open := pc.OpenedBlocks()
	if len(open) == 0 {
		return false
	}
	p, ok := open[len(open)-1].Node.(*ast.Paragraph)
	if !ok {
		return false
	}
	for i := 1; i < min(p.Lines().Len(), 2); i++ {
		line := p.Lines().At(i)
		if delimits(string(line.Value(source))) > 0 {
			return true
		}
	}
	return false
}

// delimits counts the columns of the line below a table's head; 0 when it is none.
func delimits(line string) int {
	line = strings.Trim(line, blanks+">")
	if strings.Trim(line, "|:- \t") != "" || !strings.Contains(line, "-") || !strings.ContainsAny(line, "|:") {
		return 0
	}
	return 1 + strings.Count(strings.Trim(line, "| \t"), "|")
}

func (*tagLines) Continue(ast.Node, text.Reader, parser.Context) parser.State { return parser.Close }
func (*tagLines) Close(ast.Node, text.Reader, parser.Context)                 {}
func (*tagLines) CanInterruptParagraph() bool                                 { return true }
func (*tagLines) CanAcceptIndentedLine() bool                                 { return false }

// Transform makes lines of the rows that hold nothing but {% … %}, so that a loop can write rows.
func (l *tagLines) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	source := reader.Source()
	var rows []*table.TableRow
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walker returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *table.TableHeader:
			for cell := n.FirstChild(); cell != nil; cell = cell.NextSibling() {
				cell.SetAttributeString("scope", []byte("col"))
			}
		case *table.TableRow:
			if l.only(rowText(n, source)) {
				rows = append(rows, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, row := range rows {
		row.Parent().ReplaceChild(row.Parent(), row, newTagLine(rowText(row, source)))
	}
}

// rowText joins what stands in the cells.
func rowText(row *table.TableRow, source []byte) []byte {
	var all []byte
	for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
		for i := range cell.Lines().Len() {
			line := cell.Lines().At(i)
			all = append(append(all, line.Value(source)...), ' ')
		}
	}
	return all
}

func (l *tagLines) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(kindTagLine, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		_, _ = w.Write(n.(*tagLine).line) // the writer keeps its error for the end
		_ = w.WriteByte('\n')
		if n.Parent().Kind() == table.KindTable && n.NextSibling() == nil {
			_, _ = w.WriteString("</tbody>\n") // which goldmark writes with the last row
		}
		return ast.WalkContinue, nil
	})
}

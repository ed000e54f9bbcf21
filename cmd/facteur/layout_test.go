package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the project's folder, seen from this package's.
const root = "../.."

// arrows is the architecture: which of our own packages each one imports
// directly. docs/architecture.md shows the same table. A new arrow is a
// decision: it must point down, see floors.
var arrows = map[string][]string{
	"internal/panics":   {},
	"internal/database": {"internal/panics"},
	"internal/address":  {},
	"internal/journal":  {"internal/database", "internal/keyring", "internal/panics"},
	"internal/keyring":  {"internal/database"},

	"migrations":           {"internal/database"},
	"subscribers/consent":  {"internal/database"},
	"subscribers/importer": {},
	"subscribers/segment":  {},
	"subscribers/hygiene":  {},
	"subscribers": {
		"internal/address", "internal/database", "internal/journal", "internal/keyring", "internal/panics", "subscribers/consent", "subscribers/hygiene", "subscribers/importer", "subscribers/segment",
	},
	"sending/smtp":    {"internal/panics"},
	"sending/dkim":    {},
	"sending/sandbox": {},
	"sending/reply":   {},
	"sending/doctor":  {"internal/address", "internal/panics"},
	"sending":         {"internal/address", "internal/database", "internal/journal", "internal/keyring", "internal/panics", "sending/dkim", "sending/doctor", "sending/reply", "sending/smtp"},
	"throttle":        {"internal/address", "internal/database", "internal/journal", "internal/panics"},
	"access":          {"internal/database", "internal/journal", "internal/keyring"},

	"unsubscribe": {"internal/database", "internal/journal", "internal/keyring", "subscribers"},

	"campaign/content":   {},
	"campaign/markup":    {},
	"campaign/templates": {},
	"campaign": {
		"campaign/content", "campaign/markup", "internal/database", "internal/journal", "internal/panics", "sending", "subscribers", "subscribers/consent", "subscribers/segment", "throttle",
	},

	"preflight/inspect": {},
	"preflight": {
		"campaign", "campaign/content", "internal/address", "preflight/inspect", "sending", "sending/doctor", "subscribers",
	},
	"feedback/parse":    {"sending/reply"},
	"feedback/provider": {"feedback/parse", "sending/reply"},
	"feedback/inbound":  {"internal/panics"},
	"feedback": {
		"campaign", "feedback/parse", "feedback/provider", "internal/address", "internal/database", "internal/journal", "internal/keyring", "sending", "sending/reply", "subscribers", "throttle", "unsubscribe",
	},

	"worker": {
		"campaign", "campaign/content", "feedback", "internal/address", "internal/database", "internal/keyring", "internal/panics", "sending", "sending/dkim", "sending/smtp", "subscribers", "throttle", "unsubscribe",
	},
	"web/call":   {},
	"web/client": {},
	"web/inbox":  {"sending/sandbox"},
	"web/recipient": {
		"campaign", "internal/address", "internal/database", "internal/journal", "internal/keyring", "subscribers", "subscribers/consent", "unsubscribe", "web/call",
	},
	"web/api": {
		"access", "campaign", "campaign/content", "campaign/templates", "feedback", "feedback/provider", "internal/address", "internal/database", "internal/journal", "internal/keyring", "sending", "sending/doctor", "sending/smtp", "subscribers",
		"subscribers/consent", "throttle", "unsubscribe", "web/call",
	},
	"web": {"access", "web/api", "web/call", "web/recipient"},

	"cmd/facteur": {
		"access", "campaign", "feedback", "feedback/inbound", "feedback/parse", "feedback/provider", "internal/address", "internal/database", "internal/journal", "internal/keyring", "internal/panics", "migrations", "preflight", "preflight/inspect", "sending", "sending/doctor", "sending/sandbox", "sending/smtp", "subscribers", "subscribers/consent",
		"subscribers/hygiene", "throttle", "unsubscribe", "web", "web/api", "web/call", "web/client", "web/inbox", "web/recipient", "worker",
	},

	"internal/database/databasetest": {"internal/database", "migrations"},
	"internal/dnstest":               {},
	"internal/services":              {},
	"internal/services/servicestest": {"internal/services"},
	"internal/rig":                   {"internal/services", "web/client"},
	"cmd/services":                   {"internal/services"},
	"cmd/cluster":                    {"internal/rig", "sending/sandbox", "web/inbox"},
	"cmd/drill":                      {"internal/rig", "internal/services", "sending/sandbox"},
	"cmd/bench":                      {"internal/rig", "internal/services"},
	"cmd/corpus":                     {"feedback/parse"},
}

// floors gives each part of the house its height; a package lies on the floor
// of the longest path that it is or lies below. 8 to 10 are for tests and
// tools: nothing that serves stands on them.
var floors = map[string]int{
	"internal/panics": 1, "internal/database": 1, "internal/journal": 1, "internal/keyring": 1, "internal/address": 1,
	"migrations": 2, "subscribers": 2, "sending": 2, "throttle": 2, "access": 2,
	"unsubscribe": 3,
	"campaign":    4,
	"feedback":    5, "preflight": 5,
	"web": 6, "worker": 6,
	"cmd/facteur":                    7,
	"internal/services":              8,
	"internal/dnstest":               8,
	"internal/database/databasetest": 9, "internal/services/servicestest": 9, "internal/rig": 9,
	"cmd/services": 10, "cmd/drill": 10, "cmd/bench": 10, "cmd/cluster": 10, "cmd/corpus": 10,
}

// beside are the arrows that stay on their floor, and why they may.
var beside = map[string]string{
	"internal/database → internal/panics":  "the ground of the ground",
	"internal/journal → internal/panics":   "the ground of the ground",
	"internal/journal → internal/database": "the ground of the ground",
	"internal/keyring → internal/database": "the ground of the ground",
	"internal/journal → internal/keyring":  "the secrets of webhooks are sealed",
	"feedback/provider → feedback/parse":   "what the ways home share",
	"web/api → web/call":                   "what the doors share",
	"web/recipient → web/call":             "what the doors share",
}

// folders are all that may stand at the top.
var folders = []string{
	"access", "campaign", "cmd", "docs", "feedback", "internal", "migrations", "preflight", "sending", "subscribers", "throttle", "unsubscribe", "web", "worker",
}

// owners says which package alone names a table in its SQL.
var owners = map[string]string{
	"nodes": "internal/database", "leases": "internal/database", "clock": "internal/database", "marks": "internal/database",
	"journal": "internal/journal", "webhooks": "internal/journal", "webhook_calls": "internal/journal",
	"keys":   "internal/keyring",
	"tokens": "access", "replies": "access",
	"lists": "subscribers", "subscribers": "subscribers", "subscriptions": "subscribers", "suppressions": "subscribers", "noes": "subscribers", "imports": "subscribers",
	"wordings": "subscribers", "signups": "subscribers", "signup_counts": "subscribers", "invitations": "subscribers", "tombstones": "subscribers", "leavings": "subscribers",
	"archives": "campaign", "link_totals": "campaign",
	"refusals": "subscribers", "hygiene_reports": "subscribers", "mail_domains": "subscribers", "retention": "subscribers",
	"consents": "subscribers/consent", "statements": "subscribers/consent", "evidences": "subscribers/consent", "unsealed": "subscribers/consent", "seals": "subscribers/consent",
	"dkim_keys": "sending", "files": "campaign", "interactions": "campaign", "tracking_choices": "subscribers", "preflights": "campaign", "relays": "sending", "domains": "sending", "senders": "sending", "letters": "sending", "domain_checks": "sending",
	"feedback": "feedback", "feedback_hooks": "feedback",
	"rates": "throttle", "external_rates": "throttle",
	"limits": "throttle", "lanes": "throttle", "lane_minutes": "throttle", "begun_minutes": "throttle", "warmup_days": "throttle", "breakers": "throttle", "slowdowns": "throttle", "recipient_domains": "throttle",
	"campaigns": "campaign", "versions": "campaign", "deliveries": "campaign", "attempts": "campaign", "batches": "campaign",
	"mailed": "campaign", "chores": "campaign", "campaign_lanes": "campaign", "campaign_counts": "campaign", "stops": "campaign",
}

// trespasses are the known breaks of the rule of owners, each with its reason.
var trespasses = map[string]string{}

func TestLayout_ImportsAreThoseOfTheTable(t *testing.T) {
	found := imports(t)
	for _, from := range slices.Sorted(maps.Keys(found)) {
		allowed, known := arrows[from]
		if !known {
			t.Errorf("%s is not in the table: give it a floor and a line in layout_test.go and docs/architecture.md", from)
			continue
		}
		for _, to := range found[from] {
			if !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s, which the table does not allow", from, to)
			}
		}
		for _, to := range allowed {
			if !slices.Contains(found[from], to) {
				t.Errorf("%s does not import %s any more: take it out of the table", from, to)
			}
		}
	}
	for from := range arrows {
		if _, ok := found[from]; !ok {
			t.Errorf("%s is gone: take it out of the table", from)
		}
	}
}

func TestLayout_ArrowsOfTheTablePointDown(t *testing.T) {
	for from, list := range arrows {
		for _, to := range list {
			arrow := from + " → " + to
			ownChild := strings.HasPrefix(to, from+"/")
			if _, ok := beside[arrow]; !ok && !ownChild && floor(t, to) >= floor(t, from) {
				t.Errorf("%s goes from floor %d to floor %d", arrow, floor(t, from), floor(t, to))
			}
		}
	}
}

func TestLayout_DocumentShowsTheTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+) \\|$").FindAllStringSubmatch(section(t, string(text), "imports"), -1) {
		shown[row[1]] = row[2]
	}
	for from, list := range arrows {
		want := strings.Join(list, ", ")
		if want == "" {
			want = "–"
		}
		if shown[from] != want {
			t.Errorf("docs/architecture.md says of %s: %q, the table %q", from, shown[from], want)
		}
	}
	if len(shown) != len(arrows) {
		t.Errorf("docs/architecture.md has %d packages, the table %d", len(shown), len(arrows))
	}
}

func TestLayout_TopFoldersAreKnown(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); e.IsDir() && !strings.HasPrefix(name, ".") && !ignored(name) && !slices.Contains(folders, name) {
			t.Errorf("top-level folder %s: a new one needs a reason, and a line here and in docs/architecture.md", name)
		}
	}
}

func TestLayout_FilesStaySmall(t *testing.T) {
	for path, text := range sources(t) {
		switch n := bytes.Count(text, []byte("\n")); {
		case n > 700:
			t.Errorf("%s has %d lines: split it by subject", path, n)
		case n > 500:
			t.Logf("%s has %d lines: can it be split by subject?", path, n)
		}
	}
}

// A package-level variable is a constant that Go has no word for: it has a
// value from the start, is no lock, channel or map to be filled, and nothing
// changes it.
func TestLayout_PackagesHaveNoState(t *testing.T) {
	set := token.NewFileSet()
	files := map[string][]*ast.File{} // by folder
	globals := map[string]*variables{}
	for path, text := range sources(t) {
		f, err := parser.ParseFile(set, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		files[dir] = append(files[dir], f)
		if globals[dir] == nil {
			globals[dir] = &variables{names: map[string]bool{}, specs: map[any]bool{}}
		}
		for _, decl := range f.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					if why := globals[dir].add(g, spec.(*ast.ValueSpec)); why != "" {
						t.Errorf("%s: package-level state: the variable %s", set.Position(spec.Pos()), why)
					}
				}
			}
		}
	}
	for dir, list := range files {
		for _, f := range list {
			ast.Inspect(f, func(n ast.Node) bool {
				for _, changed := range targets(n) {
					if id := base(changed); id != nil && globals[dir].has(id) {
						t.Errorf("%s: package-level state: %s is changed here", set.Position(id.Pos()), id.Name)
					}
				}
				return true
			})
		}
	}
}

func TestLayout_EachTableHasOneOwner(t *testing.T) {
	tables := migrated(t)
	for _, table := range tables {
		if owners[table] == "" {
			t.Errorf("table %s has no owner: name the package in layout_test.go", table)
		}
	}
	for table := range owners {
		if !slices.Contains(tables, table) {
			t.Errorf("table %s is in no migration", table)
		}
	}
	named := regexp.MustCompile(`\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+([a-z_]+)`)
	seen := map[string]bool{}
	for path, text := range sources(t) {
		if strings.HasPrefix(filepath.ToSlash(path), "internal/tools/") {
			continue // it quotes what it takes out
		}
		for _, sql := range literals(t, path, text) {
			for _, m := range named.FindAllStringSubmatch(sql, -1) {
				owner, dir := owners[m[1]], filepath.ToSlash(filepath.Dir(path))
				if owner == "" || owner == dir {
					continue
				}
				arrow := dir + " → " + m[1]
				if seen[arrow] = true; trespasses[arrow] == "" {
					t.Errorf("%s names the table %s, which belongs to %s: ask that package", path, m[1], owner)
				}
			}
		}
	}
	for arrow := range trespasses {
		if !seen[arrow] {
			t.Errorf("%s is no more: take it out of the exceptions", arrow)
		}
	}
}

// imports are the direct imports between our own packages, tests apart.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "facteur/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	found := map[string][]string{}
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal("go list:", err)
		}
		from := strings.TrimPrefix(p.ImportPath, "facteur/")
		found[from] = []string{}
		for _, to := range p.Imports {
			if to, ours := strings.CutPrefix(to, "facteur/"); ours {
				found[from] = append(found[from], to)
			}
		}
	}
}

func floor(t *testing.T, pkg string) int {
	t.Helper()
	for path := pkg; path != "."; path = filepath.Dir(path) {
		if n, ok := floors[path]; ok {
			return n
		}
	}
	t.Fatalf("%s has no floor", pkg)
	return 0
}

// ignored tells whether a folder is no part of the project: what is built and what a run leaves.
func ignored(name string) bool { return slices.Contains([]string{"bin", "data", "tmp"}, name) }

// sources are all Go files but tests, by their path from the root.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path) // both begin alike
		if d.IsDir() && (rel != "." && strings.HasPrefix(d.Name(), ".") || ignored(rel) || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(rel, ".go") && !strings.HasSuffix(rel, "_test.go") {
			found[rel], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// literals are the texts in a file; a text joined of several is taken piece by piece.
func literals(t *testing.T, path string, text []byte) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, _ := strconv.Unquote(lit.Value) // it has been parsed
			all = append(all, s)
		}
		return true
	})
	return all
}

// migrated are the tables that the migrations make.
func migrated(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "migrations/*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	var tables []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`).FindAllSubmatch(text, -1) {
			if name := string(m[1]); !slices.Contains(tables, name) {
				tables = append(tables, name)
			}
		}
	}
	return tables
}

// section is the part of a document between <!-- name --> and <!-- end -->.
func section(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "<!-- "+name+" -->")
	part, _, ended := strings.Cut(rest, "<!-- end -->")
	if !ok || !ended {
		t.Fatalf("the document has no part between <!-- %s --> and <!-- end -->", name)
	}
	return part
}

// variables are those of a package's own level.
type variables struct {
	names map[string]bool
	specs map[any]bool // *ast.ValueSpec
}

// add notes a declaration and says why it can only be state, or "".
func (v *variables) add(g *ast.GenDecl, spec *ast.ValueSpec) (why string) {
	v.specs[spec] = true
	for _, name := range spec.Names {
		v.names[name.Name] = name.Name != "_" // which keeps nothing
	}
	comments := ""
	for _, group := range []*ast.CommentGroup{g.Doc, spec.Doc} {
		if group != nil {
			for _, c := range group.List {
				comments += c.Text + "\n"
			}
		}
	}
	if len(spec.Values) == 0 && !strings.Contains(comments, "//go:embed ") {
		return "has no value from the start"
	}
	for _, value := range spec.Values {
		switch x := value.(type) {
		case *ast.UnaryExpr:
			if x.Op == token.AND {
				return "points to what can be changed"
			}
		case *ast.CallExpr:
			if id, ok := x.Fun.(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") {
				return "is made to be filled"
			}
		case *ast.CompositeLit:
			if of, ok := x.Type.(*ast.SelectorExpr); ok {
				if pkg, ok := of.X.(*ast.Ident); ok && (pkg.Name == "sync" || pkg.Name == "atomic") {
					return "is a lock or a counter"
				}
			}
		}
	}
	return ""
}

// has tells whether an identifier is one of them. The parser resolves what is
// declared in the same file; what it does not resolve is no local variable.
func (v *variables) has(id *ast.Ident) bool {
	return v.names[id.Name] && (id.Obj == nil || v.specs[id.Obj.Decl])
}

// targets are what a piece of code changes, or hands out to be changed.
func targets(n ast.Node) []ast.Expr {
	switch s := n.(type) {
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			return s.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{s.X}
	case *ast.UnaryExpr:
		if s.Op == token.AND {
			return []ast.Expr{s.X}
		}
	case *ast.CallExpr:
		if id, ok := s.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") {
			return s.Args[:1]
		}
	}
	return nil
}

// base is the variable in which an expression such as v.a[i] lies.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

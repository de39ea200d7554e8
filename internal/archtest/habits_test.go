package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestNoInit: what a program does begins in main or in a test.
func TestNoInit(t *testing.T) {
	for _, s := range parseAll(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: no init functions", s.pos(f))
			}
		}
	}
}

// TestPackageComment: each package says its job in one place.
func TestPackageComment(t *testing.T) {
	docs := map[string][]string{}
	dirs := map[string]bool{}
	for _, s := range parseAll(t) {
		if s.test {
			continue
		}
		dirs[s.dir] = true
		if s.file.Doc != nil {
			docs[s.dir] = append(docs[s.dir], s.name)
			first := "Package " + s.file.Name.Name + " "
			if s.file.Name.Name == "main" {
				first = "Command "
			}
			if text := s.file.Doc.Text(); !strings.HasPrefix(text, first) {
				t.Errorf("%s: the package comment does not begin with %q", s.name, first)
			}
		}
	}
	for dir := range dirs {
		if len(docs[dir]) != 1 {
			t.Errorf("%s: %d package comments %v, want one", dir, len(docs[dir]), docs[dir])
		}
	}
}

// TestNoSleepInTests: a test that sleeps is slow when it passes and flaky when it does not. In a synctest bubble Sleep is
// how fake time passes; the bubble may be made by a helper in another file of the package.
func TestNoSleepInTests(t *testing.T) {
	fakeTime := map[string]bool{}
	for _, s := range parseAll(t) {
		if slices.Contains(s.imports, "testing/synctest") {
			fakeTime[s.dir] = true
		}
	}
	for _, s := range parseAll(t) {
		if !s.test || fakeTime[s.dir] {
			continue
		}
		for _, use := range calls(s, "time", []string{"Sleep"}) {
			t.Errorf("%s: no time.Sleep in tests: poll with a deadline, or use testing/synctest", s.pos(use))
		}
	}
}

// TestNoSkip: a test that skips itself proves nothing. The end-to-end tests have one place that honours -short.
func TestNoSkip(t *testing.T) {
	for _, s := range parseAll(t) {
		if !s.test || s.dir == "internal/e2e" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "t" || x.Name == "b" || x.Name == "f") {
					t.Errorf("%s: no skipping", s.pos(sel))
				}
			}
			return true
		})
	}
}

// shared are types that exist to be changed: a package-level variable of one is hidden state. sync.Pool is not among
// them, because what it holds never matters, nor sync.OnceValue, which is a constant worked out late.
var shared = []string{"sync.Mutex", "sync.RWMutex", "sync.Map", "sync.WaitGroup", "sync.Once", "sync.Cond"}

// TestNoPackageState: package-level variables are constants that the language cannot express; nobody changes them.
func TestNoPackageState(t *testing.T) {
	names := map[string]map[string]bool{} // package directory -> variable
	all := parseAll(t)
	for _, s := range all {
		if s.test {
			continue
		}
		for _, spec := range packageVars(s) {
			if kind := expr(spec.Type); slices.Contains(shared, kind) || strings.HasPrefix(kind, "atomic.") || strings.HasPrefix(kind, "chan ") {
				t.Errorf("%s: package-level %s is hidden state", s.pos(spec), kind)
			}
			for _, v := range spec.Values {
				if kind := made(v); slices.Contains(shared, kind) || strings.HasPrefix(kind, "atomic.") || strings.HasPrefix(kind, "chan ") {
					t.Errorf("%s: package-level %s is hidden state", s.pos(spec), kind)
				}
			}
			for _, n := range spec.Names {
				if names[s.dir] == nil {
					names[s.dir] = map[string]bool{}
				}
				names[s.dir][n.Name] = true
			}
		}
	}
	for _, s := range all {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			local := declared(f)
			for name, where := range written(f.Body) {
				if names[s.dir][name] && !local[name] {
					t.Errorf("%s: %s changes the package-level variable %s", s.pos(where), f.Name.Name, name)
				}
			}
		}
	}
}

func packageVars(s *source) []*ast.ValueSpec {
	var specs []*ast.ValueSpec
	for _, d := range s.file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, spec := range g.Specs {
				specs = append(specs, spec.(*ast.ValueSpec))
			}
		}
	}
	return specs
}

// made names the type of a value that a literal or make gives: "sync.Mutex" for &sync.Mutex{}.
func made(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		return made(e.X)
	case *ast.CompositeLit:
		return expr(e.Type)
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.Ident); ok && (f.Name == "make" || f.Name == "new") && len(e.Args) > 0 {
			return expr(e.Args[0])
		}
	}
	return ""
}

// expr prints the few type expressions the rule is about.
func expr(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return expr(e.X)
	case *ast.SelectorExpr:
		return expr(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return expr(e.X)
	case *ast.ChanType:
		return "chan " + expr(e.Value)
	}
	return ""
}

// declared returns the names a function declares anywhere inside; a name that is both is given the benefit of the doubt.
func declared(f *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	add := func(list *ast.FieldList) {
		if list == nil {
			return
		}
		for _, field := range list.List {
			for _, n := range field.Names {
				names[n.Name] = true
			}
		}
	}
	add(f.Recv)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncType:
			add(n.Params)
			add(n.Results)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, e := range n.Lhs {
					names[expr(e)] = true
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				names[expr(n.Key)] = true
				names[expr(n.Value)] = true
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		}
		return true
	})
	return names
}

// written returns the variables a body assigns to, through an index, a field or a built-in too.
func written(body *ast.BlockStmt) map[string]ast.Node {
	names := map[string]ast.Node{}
	note := func(e ast.Expr) {
		if name := root(e); name != "" && name != "_" {
			names[name] = e
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					note(e)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
				note(n.Args[0])
			}
		}
		return true
	})
	return names
}

// root returns the variable at the bottom of an assignable expression: m for m[k].f.
func root(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}

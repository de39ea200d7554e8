package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "headwater.stream"

// source is one parsed Go file.
type source struct {
	name    string // path from the repository's root
	dir     string // package path below the module: "packager/cmaf"
	test    bool
	file    *ast.File
	fset    *token.FileSet
	imports []string
}

// pos says where a node is, for messages.
func (s *source) pos(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return s.name + ":" + strconv.Itoa(p.Line)
}

// skipped are directories that hold no package of ours. testdata is skipped as the go command does.
func skipped(name string) bool {
	return name == "node_modules" || name == "testdata" || name == "vendor" || len(name) > 1 && (name[0] == '.' || name[0] == '_')
}

// parseAll reads every Go file of the repository, once.
func parseAll(t *testing.T) []*source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d Go files found: is this the repository's root?", len(all))
	}
	return all
}

var parsed = sync.OnceValues(parseRepository)

func parseRepository() ([]*source, error) {
	root := filepath.Join("..", "..")
	fset := token.NewFileSet()
	var all []*source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && skipped(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s := &source{name: filepath.ToSlash(rel), file: f, fset: fset, test: strings.HasSuffix(p, "_test.go")}
		s.dir = path.Dir(s.name)
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// ours returns the path of a package of this module below the module, and whether it is one.
func ours(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// calls reports every use of a name of an imported package ("time".Now), whatever the import is called in the file.
func calls(s *source, importPath string, names []string) []ast.Node {
	local := path.Base(importPath)
	found := false
	for _, i := range s.file.Imports {
		if name, err := strconv.Unquote(i.Path.Value); err == nil && name == importPath {
			found = true
			if i.Name != nil {
				local = i.Name.Name
			}
		}
	}
	if !found {
		return nil
	}
	var uses []ast.Node
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
			for _, name := range names {
				if sel.Sel.Name == name {
					uses = append(uses, sel)
				}
			}
		}
		return true
	})
	return uses
}

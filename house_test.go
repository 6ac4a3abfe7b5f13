package house

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "tianweitong"

// source is one Go file of the house.
type source struct {
	path      string // slash-separated, from the module's root
	dir       string
	test      bool // a test, or a package of the tests' own such as storetest
	generated bool
	lines     int
	file      *ast.File
	imports   []string
}

var files = token.NewFileSet()

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", "node_modules", "bin", "data", "testdata", "tools":
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(files, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{
			path: filepath.ToSlash(path), dir: filepath.ToSlash(filepath.Dir(path)), file: f,
			test:      strings.HasSuffix(path, "_test.go") || strings.HasSuffix(filepath.Base(filepath.Dir(path)), "test"),
			generated: ast.IsGenerated(f), lines: strings.Count(string(text), "\n"),
		}
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			s.imports = append(s.imports, p)
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d Go files found: the walk is wrong", len(out))
	}
	return out
}

func under(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return path == r || strings.HasPrefix(path, r+"/") })
}

// stateless packages may be lifted out by anyone.
var stateless = []string{"splitkey", "pki", "eseal", "docseal", "envelope"}

func TestStatelessPackagesStandAlone(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, i := range s.imports {
			switch {
			case under(s.dir, stateless...) && (under(i, module+"/internal") || i == "net" || under(i, "net/http", "database/sql")):
				t.Errorf("%s imports %s: a stateless package must not", s.path, i)
			case under(s.dir, "platform", "phone", "examples") && under(i, module+"/internal"):
				t.Errorf("%s imports %s: what outsiders use must not", s.path, i)
			}
		}
	}
}

func TestOnlyStoreSpeaksSQLAndOnlyAdaptersSpeakHTTP(t *testing.T) {
	http := []string{"internal/httpapi", "internal/platformapi", "internal/pkihttp", "internal/provider", "internal/app", "internal/journey", "internal/lan", "web", "platform", "phone", "examples", "cmd", "test"}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, i := range s.imports {
			if (under(i, "database/sql") || strings.Contains(i, "jackc/pgx") || strings.Contains(i, "modernc.org/sqlite") || strings.Contains(i, "pressly/goose")) && !under(s.dir, "internal/store") {
				t.Errorf("%s imports %s: only internal/store speaks SQL", s.path, i)
			}
			if i == "net/http" && !under(s.dir, http...) {
				t.Errorf("%s imports net/http: only adapters may", s.path)
			}
		}
	}
}

// keyRooms may name private keys and shares (ARCHITECTURE.md, rule 3).
var keyRooms = []string{
	"splitkey", "internal/custody", "internal/kmc", // the holders' shares and the house's keys
	"pki/lint", "pki/pkitest", // the throw-away key; keys of tests
	"platform", "phone", // a platform's own keys; the phone's device and enrolment keys
	"examples", "cmd", "test", // programs that own a platform or a phone
	"internal/provider/sandbox", // fakes
	"internal/lan",              // the local root that makes https on one's own network
}

func TestPrivateKeysAreNamedOnlyBehindTheDoor(t *testing.T) {
	forbidden := map[string][]string{
		"sm2": {"PrivateKey", "GenerateKey", "NewPrivateKey", "Sign", "SignASN1", "Decrypt"}, "ecdsa": {"PrivateKey", "GenerateKey", "SignASN1", "Sign"},
		"ecdh": {"PrivateKey"}, "rsa": {"PrivateKey", "GenerateKey"}, "ed25519": {"PrivateKey", "GenerateKey"}, "splitkey": {"Secret"},
	}
	for _, s := range sources(t) {
		if s.test || under(s.dir, keyRooms...) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(forbidden[x.Name], sel.Sel.Name) {
					t.Errorf("%s names %s.%s: private keys live behind custody's door", files.Position(n.Pos()), x.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestCustodyAndKMCShareNothing(t *testing.T) {
	for _, s := range sources(t) {
		for _, i := range s.imports {
			if !s.test && (under(s.dir, "internal/custody") && under(i, module+"/internal/kmc") || under(s.dir, "internal/kmc") && under(i, module+"/internal/custody")) {
				t.Errorf("%s imports %s", s.path, i)
			}
		}
	}
}

// nounTable reads the import table of ARCHITECTURE.md.
func nounTable(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table := map[string][]string{}
	row := regexp.MustCompile(`^\| ([a-z, ]+) \| (.+) \|$`)
	in := false
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		if strings.HasPrefix(line, "| noun |") {
			in = true
			continue
		}
		m := row.FindStringSubmatch(line)
		if !in || m == nil {
			if in && !strings.HasPrefix(line, "|") {
				in = false
			}
			continue
		}
		may := regexp.MustCompile(`[a-z]+`).FindAllString(m[2], -1)
		for _, noun := range strings.Split(m[1], ",") {
			table[strings.TrimSpace(noun)] = may
		}
	}
	if len(table) < 8 {
		t.Fatalf("the table of nouns in ARCHITECTURE.md has %d rows", len(table))
	}
	return table
}

func TestNounsImportEachOtherOnlyAsTheTableAllows(t *testing.T) {
	table := nounTable(t)
	for _, s := range sources(t) {
		noun, ok := strings.CutPrefix(s.dir, "internal/")
		if !ok || s.test {
			continue
		}
		may, isNoun := table[noun]
		if !isNoun {
			continue
		}
		for _, i := range s.imports {
			other, ok := strings.CutPrefix(i, module+"/internal/")
			if !ok || other == noun {
				continue
			}
			if _, isNoun := table[other]; isNoun && !slices.Contains(may, other) {
				t.Errorf("%s: %s may not import %s (ARCHITECTURE.md)", s.path, noun, other)
			}
		}
	}
}

// floor says how high a package stands; imports go down or stay.
func floor(dir string, nouns map[string][]string) int {
	_, isNoun := nouns[strings.TrimPrefix(dir, "internal/")]
	switch {
	case under(dir, "internal/fault", "internal/clock", "internal/id", "internal/money", "internal/once"):
		return 0
	case under(dir, stateless...) || under(dir, "internal/work", "internal/audit", "internal/secret", "internal/job", "internal/push", "internal/config", "internal/picture", "internal/puzzle", "internal/letter", "internal/worktime", "fonts"):
		return 1
	case under(dir, "internal/custody", "internal/kmc", "internal/ca"):
		return 2
	case isNoun:
		return 3
	case under(dir, "internal/flow"):
		return 4
	case under(dir, "internal/httpapi", "internal/platformapi", "internal/pkihttp", "internal/store", "internal/provider", "internal/fsck", "internal/lan", "web"):
		return 5
	case under(dir, "internal/app", "internal/journey"):
		return 6
	case under(dir, "cmd", "test", "."):
		return 7
	}
	return -1
}

func TestImportsGoDown(t *testing.T) {
	nouns := nounTable(t)
	for _, s := range sources(t) {
		if s.test || under(s.dir, "platform", "phone", "examples") {
			continue
		}
		here := floor(s.dir, nouns)
		if here < 0 {
			t.Errorf("%s stands on no floor: add it to ARCHITECTURE.md and this test", s.dir)
			continue
		}
		for _, i := range s.imports {
			if dir, ok := strings.CutPrefix(i, module+"/"); ok && under(dir, "internal", "splitkey", "pki", "web") && floor(dir, nouns) > here {
				t.Errorf("%s imports upwards: %s", s.path, i)
			}
		}
		for _, i := range s.imports {
			if under(s.dir, "internal/httpapi", "internal/platformapi") && under(i, module+"/internal/store") ||
				under(s.dir, "internal/store") && under(i, module+"/internal/httpapi", module+"/internal/platformapi") {
				t.Errorf("%s: HTTP and store never import each other (%s)", s.path, i)
			}
		}
	}
}

func TestTimeRandomnessAndMoneyAreWhatTheySeem(t *testing.T) {
	cash := []string{"internal/money", "internal/order", "internal/invoice", "internal/catalog", "internal/provider/pay"}
	for _, s := range sources(t) {
		if s.test || s.generated {
			continue
		}
		for _, i := range s.imports {
			if under(i, "math/rand") {
				t.Errorf("%s imports %s: randomness is injected", s.path, i)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, n.Sel.Name) && s.dir != "internal/clock" && !under(s.dir, "platform", "phone", "examples", "internal/journey", "test") {
					t.Errorf("%s: time.%s outside internal/clock", files.Position(n.Pos()), n.Sel.Name)
				}
			case *ast.Ident:
				if (n.Name == "float64" || n.Name == "float32") && under(s.dir, cash...) {
					t.Errorf("%s: money is integer fen", files.Position(n.Pos()))
				}
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					t.Errorf("%s: init has effects", files.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func TestEveryPackageAndExportedNameIsDocumented(t *testing.T) {
	comments := map[string]int{}
	names := map[string]bool{}
	for _, s := range sources(t) {
		if s.test || s.generated || s.dir == "." {
			continue
		}
		names[s.dir] = true
		if s.file.Doc != nil {
			comments[s.dir]++
		}
		for _, d := range s.file.Decls {
			undocumented(t, s, d)
		}
	}
	for dir := range names {
		if comments[dir] != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, comments[dir])
		}
	}
}

func undocumented(t *testing.T, s source, d ast.Decl) {
	t.Helper()
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			t.Errorf("%s: %s has no comment", files.Position(d.Pos()), d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					t.Errorf("%s: %s has no comment", files.Position(spec.Pos()), spec.Name.Name)
				}
			case *ast.ValueSpec:
				if spec.Names[0].IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					t.Errorf("%s: %s has no comment", files.Position(spec.Pos()), spec.Names[0].Name)
				}
			}
		}
	}
}

// exportedReceiver is false for methods of unexported types: adapters that
// implement a documented interface.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	e := d.Recv.List[0].Type
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if index, ok := e.(*ast.IndexExpr); ok {
		e = index.X
	}
	id, ok := e.(*ast.Ident)
	return ok && id.IsExported()
}

func TestRoomsStaySmall(t *testing.T) {
	lines := map[string]int{}
	for _, s := range sources(t) {
		if s.generated {
			continue
		}
		if s.lines > 700 {
			t.Errorf("%s has %d lines, want at most 700", s.path, s.lines)
		}
		if s.test {
			continue
		}
		lines[s.dir] += s.lines
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if n := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; n > 120 {
				t.Errorf("%s: %s has %d lines, want at most 120", files.Position(f.Pos()), f.Name.Name, n)
			}
		}
		switch name := s.file.Name.Name; name {
		case "util", "utils", "common", "helper", "helpers", "model", "models", "types", "manager":
			t.Errorf("%s: package %s says nothing", s.path, name)
		}
	}
	for dir, n := range lines {
		if n > 3000 {
			t.Errorf("%s has %d lines, want at most 3000", dir, n)
		}
	}
}

// TestNothingSpeaksOfTheWorkplace keeps machine paths and registry hosts out.
func TestNothingSpeaksOfTheWorkplace(t *testing.T) {
	odd := regexp.MustCompile(`(/home/[a-z]|/root/|C:\\Users)`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", "node_modules", "bin", "data":
				return fs.SkipDir
			}
			return nil
		}
		if path == "house_test.go" || strings.HasSuffix(path, ".sum") || !slices.Contains([]string{".go", ".md", ".yaml", ".sql", ".sh", ".js", ".css", ".html", ""}, filepath.Ext(path)) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil && odd.Match(b) {
			err = nil
			t.Errorf("%s names a path of a machine: %s", path, odd.Find(b))
		}
		return err
	})
	if err != nil {
		t.Fatal(fmt.Errorf("walking the tree: %w", err))
	}
}

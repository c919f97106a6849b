package readme

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Page is a document.
type Page struct {
	Name string // its path from the root of the repository
	Text string
}

// own are the documents outside of docs/; packages may have theirs besides.
var own = []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "LIMITATIONS.md"}

// Pages reads all documents below the root of the repository. An error names the
// file that could not be read.
func Pages(root string) (pages []Page, err error) {
	files, err := documents(root)
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		name, relErr := filepath.Rel(root, file)
		err = errors.Join(err, readErr, relErr)
		pages = append(pages, Page{Name: filepath.ToSlash(name), Text: string(text)})
	}
	return pages, err
}

// documents are the files of all documents.
func documents(root string) (files []string, err error) {
	for _, name := range own {
		files = append(files, filepath.Join(root, name))
	}
	packages, err := filepath.Glob(filepath.Join(root, "pkg/*/README.md"))
	if err != nil {
		return nil, err
	}
	files = append(files, packages...)
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

// Block is a fenced block of a page.
type Block struct {
	Lang string // as sh, "" where the page says none
	Line int    // of the page, on which the text begins; the first is 1
	Text string // without its indentation
}

// Blocks are the fenced blocks, in their order, and the lines around them with
// blank lines in the blocks' place. A block that does not end is an error.
func (p Page) Blocks() (blocks []Block, prose []string, err error) {
	var in *Block
	indent := ""
	for i, line := range strings.Split(p.Text, "\n") {
		before, lang, fence := strings.Cut(line, "```")
		fence = fence && strings.TrimSpace(before) == "" && !strings.Contains(lang, "`")
		switch {
		case fence && in == nil:
			in, indent = &Block{Lang: strings.TrimSpace(lang), Line: i + 2}, before
		case fence:
			blocks, in = append(blocks, *in), nil
		case in != nil:
			in.Text += strings.TrimPrefix(line, indent) + "\n"
		default:
			prose = append(prose, line)
			continue
		}
		prose = append(prose, "")
	}
	if in != nil {
		err = fmt.Errorf("%s:%d: the block does not end", p.Name, in.Line-1)
	}
	return blocks, prose, err
}

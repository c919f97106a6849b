package readme

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Page is a document.
type Page struct {
	Name string // its path from the root of the repository
	Text string
}

// own are the documents outside of docs/.
var own = []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "LIMITATIONS.md"}

// Pages reads all documents below the root of the repository, by name. An error
// names the file that could not be read.
func Pages(root string) ([]Page, error) {
	names := slices.Clone(own)
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	var pages []Page
	for _, name := range names {
		text, readErr := os.ReadFile(filepath.Join(root, name))
		err = errors.Join(err, readErr)
		pages = append(pages, Page{Name: name, Text: string(text)})
	}
	return pages, err
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

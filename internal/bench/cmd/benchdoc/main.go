// Benchdoc puts new measurements into docs/bench.json and writes docs/bench.md
// and its plots from it. It runs at the root of the repository:
//
//	benchdoc library=FILE modes/6.1=FILE
//
// The name after a slash is a part of its section; the other parts stay.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ktlstop/ktlstop/internal/bench"
	"github.com/ktlstop/ktlstop/internal/cost"
)

// sections are docs/bench.md's, in their order.
var sections = []bench.Section{cost.Yardstick, cost.Tracer, cost.Users, bench.Library(), bench.Datagrams()}

func main() {
	if err := run("docs", os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchdoc:", err)
		os.Exit(1)
	}
}

func run(dir string, args []string) error {
	data, err := read(filepath.Join(dir, "bench.json"))
	if err != nil {
		return err
	}
	for _, arg := range args {
		name, file, ok := strings.Cut(arg, "=")
		section, part, _ := strings.Cut(name, "/")
		if !ok || !known(section) {
			return fmt.Errorf("%q is not SECTION=FILE with a section of docs/bench.md", arg)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if text, err = joined(text); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if part != "" {
			text, err = withPart(data[section], part, text)
		}
		if err != nil {
			return fmt.Errorf("section %s: %w", section, err)
		}
		data[section] = text
	}
	return write(dir, data)
}

// joined parses a single document, or joins the results of several programs that were run one
// after the other into the first one.
func joined(text []byte) (json.RawMessage, error) {
	var documents []json.RawMessage
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var one json.RawMessage
		err := d.Decode(&one)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, one)
	}
	if len(documents) == 0 {
		return nil, errors.New("it is empty")
	}
	if len(documents) == 1 {
		return documents[0], nil
	}
	var all bench.Result
	for _, one := range documents {
		var r bench.Result
		if err := json.Unmarshal(one, &r); err != nil {
			return nil, err
		}
		all = all.With(r)
	}
	return json.Marshal(all)
}

// withPart puts a part into a section of parts.
func withPart(section json.RawMessage, name string, part json.RawMessage) (json.RawMessage, error) {
	parts := map[string]json.RawMessage{}
	if section != nil {
		if err := json.Unmarshal(section, &parts); err != nil {
			return nil, err
		}
	}
	parts[name] = part
	return json.Marshal(parts)
}

func known(name string) bool {
	for _, s := range sections {
		if s.Name == name {
			return true
		}
	}
	return false
}

// read returns the measurements by section, none if there is no file yet.
func read(file string) (map[string]json.RawMessage, error) {
	data := map[string]json.RawMessage{}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return data, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return data, nil
}

func write(dir string, data map[string]json.RawMessage) error {
	files, err := bench.Document(sections, data)
	if err != nil {
		return err
	}
	if files["bench.json"], err = indented(data); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// indented writes one field a line, so that a diff shows it as one.
func indented(data map[string]json.RawMessage) ([]byte, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Indent(&b, text, "", " ")
	b.WriteByte('\n')
	return b.Bytes(), err
}

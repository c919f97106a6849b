// Image writes an OCI image of static programs, without a daemon or a registry: a tar
// file in OCI's layout, which docker, podman, containerd and skopeo load.
//
//	image -o ktlstop.tar -name ktlstop:1.2.3 amd64=bin/dist/amd64/ktlstop
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	out := flags.String("o", "image.tar", "the file to write")
	name := flags.String("name", "ktlstop:latest", "the name under which the image is loaded")
	version := flags.String("version", "", "the version, for the image's labels")
	revision := flags.String("revision", "", "the revision of the sources, for the image's labels")
	if err := flags.Parse(args); err != nil {
		return err
	}
	programs, err := parsePrograms(flags.Args())
	if err != nil {
		return err
	}
	created, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	index, err := newIndex(programs, description{name: *name, version: *version, revision: *revision, created: created})
	if err != nil {
		return err
	}
	if err := writeArchive(*out, index, *name, created); err != nil {
		return fmt.Errorf("write %s: %w", *out, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

// program is the file that an architecture's image holds.
type program struct{ arch, path string }

func parsePrograms(args []string) ([]program, error) {
	var programs []program
	for _, arg := range args {
		arch, path, ok := strings.Cut(arg, "=")
		if !ok || arch == "" || path == "" {
			return nil, fmt.Errorf("%q is no ARCHITECTURE=FILE", arg)
		}
		programs = append(programs, program{arch, path})
	}
	if len(programs) == 0 {
		return nil, fmt.Errorf("no program: say ARCHITECTURE=FILE")
	}
	return programs, nil
}

// sourceDate is the one time that the image carries, so that two builds are alike.
func sourceDate(seconds string) (time.Time, error) {
	if seconds == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(n, 0).UTC(), nil
}

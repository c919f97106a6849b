package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is the release, or the next one in a development build. It stands here
// alone: the packages, the image and the chart take it from this line, and
// TestVersionEverywhere finds what names another. The revision comes from the build.
const version = "0.2.0"

// release is "yes" in a program that deploy/release.sh built, by -ldflags -X.
var release string

func newVersion() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `version prints the release and the revision of the sources. With -o json it also
prints how the program was built.`,
		Example: `  ktlstop version
  ktlstop version -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := versionText(output, readBuild())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func versionText(output string, b *build) (string, error) {
	switch output {
	case "text":
		return "ktlstop " + b.Version + b.origin(), nil
	case "json":
		text, err := json.Marshal(b)
		return string(text), err
	}
	return "", usagef("-o %s: text or json", output)
}

// build says of which sources this program was made, and how. What the build did
// not note, as the revision outside of a repository, is empty.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	// Time is that of the revision, in RFC 3339's form. When the program was built is
	// noted nowhere, so that two builds are alike.
	Time string `json:"time"`
	// Modified: the sources were not exactly the revision's. It is nil where that is not known.
	Modified *bool  `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	// Settings are the rest of what `go version -m` shows of the build, as -trimpath
	// and CGO_ENABLED.
	Settings map[string]string `json:"settings"`
}

// readBuild reads what the Go command wrote into the program.
func readBuild() *build {
	if info, ok := debug.ReadBuildInfo(); ok {
		return buildOf(info.Settings)
	}
	return buildOf(nil)
}

func buildOf(settings []debug.BuildSetting) *build {
	b := &build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Settings: map[string]string{}}
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			modified := s.Value == "true"
			b.Modified = &modified
		case "GOOS", "GOARCH":
		default:
			if !strings.HasPrefix(s.Key, "vcs") {
				b.Settings[s.Key] = s.Value
			}
		}
	}
	return b
}

// origin names the revision in parentheses. A development build says that it is one,
// and whether its sources were the revision's.
func (b *build) origin() string {
	var words []string
	if release == "" {
		words = append(words, "development build")
	}
	if revision := b.short(); revision != "" {
		words = append(words, revision)
	}
	if b.Modified != nil && *b.Modified {
		words = append(words, "modified")
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// short is as much of the revision as tells it from others, empty where it was not noted.
func (b *build) short() string {
	const digits = 12
	if len(b.Revision) < digits {
		return ""
	}
	return b.Revision[:digits]
}

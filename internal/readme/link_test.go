package readme

import (
	"maps"
	"slices"
	"testing"
)

func TestHeadings(t *testing.T) {
	p := Page{Name: "docs/x.md", Text: "# A page\n## `--match`, and *more*: why?\n## Same\n```sh\n# no heading\n```\n## Same\n### [Link](y.md) it\n#no\n"}
	got, err := p.Headings()
	want := []string{"--match-and-more-why", "a-page", "link-it", "same", "same-1"}
	if names := slices.Sorted(maps.Keys(got)); err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v, want %q", names, err, want)
	}
}

func TestLinksOfPage(t *testing.T) {
	p := Page{Name: "docs/x.md", Text: "[a](y.md) [b](../README.md#top)\n[c](#here) `[d](no.md)` ![e](picture/e.svg)\n[f](https://x.example/y.md) [g](mailto:a@b)\n```text\n[h](no.md)\n```\n"}
	got, err := p.Links()
	want := []Link{{"docs/x.md:1", "docs/y.md", ""}, {"docs/x.md:1", "README.md", "top"}, {"docs/x.md:2", "docs/x.md", "here"}, {"docs/x.md:2", "docs/picture/e.svg", ""}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

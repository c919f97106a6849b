package serve

import (
	"fmt"
	"html"
	"net/http"
	"strings"
)

// first is the page that says what there is. It is no template: with those the linker
// keeps every method that the program could call by its name, some megabytes.
func (s *Server) first(w http.ResponseWriter, _ *http.Request) {
	var page strings.Builder
	fmt.Fprintf(&page, `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>ktlstop</title>
<h1>ktlstop %s</h1>
<p>What kernel TLS does on this host.</p>
<ul>
`, html.EscapeString(s.cfg.Version))
	for _, l := range s.links {
		path := html.EscapeString(l.Path)
		if l.Posts {
			fmt.Fprintf(&page, "<li><code>%s</code> %s</li>\n", path, html.EscapeString(l.Text))
			continue
		}
		fmt.Fprintf(&page, "<li><a href=\"%s\">%s</a> %s</li>\n", path, path, html.EscapeString(l.Text))
	}
	page.WriteString("</ul>\n</html>\n")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	_, _ = w.Write([]byte(page.String()))
}

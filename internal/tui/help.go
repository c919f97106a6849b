package tui

// helpLines is the help, made of the key map and the columns' own words.
func (m *Model) helpLines() []line {
	out := []line{{{"keys", title}}}
	for _, group := range keys.all() {
		for _, b := range group {
			h := b.Help()
			out = append(out, line{{"  " + fit(h.Key, 10, false, ""), accent}, {" " + h.Desc, plain}})
		}
		out = append(out, nil)
	}
	out = append(out, text("mouse: click a tab, a column to sort by, a row to choose it, twice to look closer"), nil)
	out = append(out, filterHelp()...)
	if s := m.tableView(); s != nil {
		out = append(out, nil, line{{"columns of this view to sort by", title}})
		for _, c := range s.sortable() {
			out = append(out, line{{"  " + fit(c.name, 10, false, ""), accent}, {" " + c.help, plain}})
		}
	}
	return out
}

func filterHelp() []line {
	return []line{
		{{"filter", title}},
		text("  words to be found anywhere, or tests as in --match, joined by and, or, not:"),
		text("  pid comm uid cgroup container unit namespace pod netns port addr cookie dir"),
		text("  version cipher mode;"),
		text("  of records also type len seq op alert handshake lat.total lat.encrypt payload"),
		text("  for example: comm==nginx port!=443 or (len>4k and dir==tx)"),
	}
}

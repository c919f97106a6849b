package tui

import "github.com/charmbracelet/bubbles/key"

// keyMap holds all keys; the help is made of it.
type keyMap struct {
	Quit, Help, Pause, Filter, Sort, Reverse, Faster, Slower, Save key.Binding
	Up, Down, PageUp, PageDown, Home, End, Enter, Back, Next, Prev key.Binding
	Plaintext, Group                                               key.Binding
	View                                                           [numViews]key.Binding
}

func bind(help, desc string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
}

var keys = keyMap{
	Quit:      bind("q", "quit", "q", "ctrl+c"),
	Help:      bind("?", "help", "?", "f1"),
	Pause:     bind("p", "pause", "p", " "),
	Filter:    bind("/", "filter", "/"),
	Sort:      bind("s", "sort", "s"),
	Reverse:   bind("S", "reverse the order", "S"),
	Faster:    bind("+", "shorter period", "+", "="),
	Slower:    bind("-", "longer period", "-"),
	Save:      bind("w", "write a snapshot as JSON", "w"),
	Up:        bind("up/k", "up", "up", "k"),
	Down:      bind("down/j", "down", "down", "j"),
	PageUp:    bind("pgup/b", "page up", "pgup", "ctrl+b", "b"),
	PageDown:  bind("pgdn/f", "page down", "pgdown", "ctrl+f", "f"),
	Home:      bind("g", "to the top", "home", "g"),
	End:       bind("G", "to the end", "end", "G"),
	Enter:     bind("enter", "look closer", "enter", "l", "right"),
	Back:      bind("esc", "back", "esc", "h", "left", "backspace"),
	Next:      bind("tab", "next view", "tab"),
	Prev:      bind("shift+tab", "previous view", "shift+tab"),
	Plaintext: bind("x", "show plaintext, if started with -s", "x"),
	Group:     bind("c", "group by process, cgroup, unit, pod or host", "c"),
	View: [numViews]key.Binding{
		bind("1", "connections", "1"), bind("2", "processes", "2"), bind("3", "records", "3"),
		bind("4", "errors and control records", "4"), bind("5", "about this run", "5"),
	},
}

// short are the keys of the last line, the most useful first.
func (k *keyMap) short() []key.Binding {
	return []key.Binding{k.Quit, k.Help, k.Filter, k.Sort, k.Enter, k.Pause, k.Next, k.Save}
}

// all are the keys of the help, in groups.
func (k *keyMap) all() [][]key.Binding {
	return [][]key.Binding{
		{k.Up, k.Down, k.PageUp, k.PageDown, k.Home, k.End, k.Enter, k.Back},
		append(append([]key.Binding(nil), k.View[:]...), k.Next, k.Prev, k.Group, k.Plaintext),
		{k.Filter, k.Sort, k.Reverse, k.Pause, k.Faster, k.Slower, k.Save, k.Help, k.Quit},
	}
}

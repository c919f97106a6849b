package tui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// view is one of the screens on the digit keys.
type view int

const (
	viewConns view = iota
	viewProcs
	viewRecords
	viewMoments
	viewRun
	numViews
)

// mode determines what the keys do.
type mode int

const (
	browsing mode = iota
	filtering
	sorting
	helping
)

// Model is the dashboard's state. It is a value: Update returns the next one.
type Model struct {
	cfg     Config
	palette *palette
	glyphs  *glyphs

	width, height int
	view          view
	mode          mode
	snap          *flow.Snapshot
	cost          cost
	period        time.Duration
	chain         int // which sequence of ticks counts; older ones run dry
	paused        bool
	status        string
	statusBad     bool

	filter *Filter
	input  string // the filter as typed
	before string // what it was when typing began
	// unfinished reports that input is not a valid expression, and filter is an earlier one.
	unfinished bool

	conns   table[*flow.Row]
	groups  table[*flow.Group]
	grouped grouping
	records table[*event.Record]
	moments table[moment]

	detail    uint64 // the connection looked at closely; 0 for none
	source    uint64 // the connection that the source was last told to show
	plaintext bool
	scroll    int // of screens that are text
	menu      int // the line under the cursor of the sort menu
}

// New returns the dashboard's model, to be run by bubbletea.
func New(cfg Config) Model {
	cfg = cfg.withDefaults()
	m := Model{
		cfg: cfg, palette: newPalette(cfg.NoColor), glyphs: &blocks, period: cfg.Period,
		conns: newConns(), groups: newGroups(), records: newRecords(), moments: newMoments(),
		filter: &Filter{}, snap: &flow.Snapshot{},
	}
	if cfg.ASCII {
		m.glyphs = &ascii
	}
	if cfg.Hosts {
		m.withHosts()
	}
	m.setFilter(cfg.Filter)
	return m
}

// Init implements tea.Model: it asks for the first snapshot.
func (m Model) Init() tea.Cmd { return m.fetch(m.chain) }

// Update implements tea.Model.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.update(msg)
	return m, cmd
}

// View implements tea.Model.
func (m Model) View() string { return m.frame() }

// tickMsg reports the end of a period, and snapshotMsg has its snapshot. The model ignores
// those of a chain of ticks that has ended.
type (
	tickMsg     struct{ chain int }
	snapshotMsg struct {
		snap  *flow.Snapshot
		chain int
	}
	savedMsg struct {
		path string
		err  error
	}
)

// noChain marks a snapshot outside the sequence of ticks.
const noChain = -1

func (m *Model) fetch(chain int) tea.Cmd {
	source := m.cfg.Source
	return func() tea.Msg { return snapshotMsg{source(), chain} }
}

func (m *Model) tick() tea.Cmd {
	chain := m.chain
	return tea.Tick(m.period, func(time.Time) tea.Msg { return tickMsg{chain} })
}

// inspect chooses the connection that snapshots show in detail, and gets a snapshot with it.
func (m *Model) inspect(id uint64) tea.Cmd {
	m.detail, m.scroll, m.plaintext = id, 0, false
	if id == 0 {
		id = m.streamed()
	}
	m.source = id
	choose, source := m.cfg.Select, m.cfg.Source
	return func() tea.Msg {
		choose(id)
		return snapshotMsg{source(), noChain}
	}
}

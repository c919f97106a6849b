package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// selfReport is what of ktlstop works on this kernel.
type selfReport struct {
	V       int                 `json:"v"`
	Type    string              `json:"type"`
	Version string              `json:"version"`
	Kernel  string              `json:"kernel"`
	Well    bool                `json:"well"`
	Groups  []loader.GroupState `json:"groups"`
	Missing []string            `json:"missing"`
	// Nothing is why nothing works, with what to do.
	Nothing string `json:"nothing,omitempty"`
	width   int    // of the terminal
}

// checksSelf loads the programs, group by group, and says how they fare.
func (o *doctorOptions) checksSelf(ctx context.Context, stdout io.Writer) error {
	r := selfReport{V: 1, Type: "doctor_self", Version: version, Kernel: kernelRelease(), Groups: []loader.GroupState{}, Missing: []string{}, width: o.columns()}
	err := endings.Busy(func() error { return r.fill(ctx) })
	if err != nil {
		return err
	}
	if err := printReport(stdout, &r, o.output); err != nil {
		return err
	}
	if !r.Well {
		return errOff
	}
	return nil
}

func (r *selfReport) fill(ctx context.Context) error {
	groups, missing, err := loader.Self(ctx)
	var lacks *loader.UnsupportedError
	if errors.As(err, &lacks) {
		r.Nothing = lacks.Error()
		return nil
	}
	if err != nil {
		return err
	}
	r.Groups, r.Missing, r.Well = groups, append(r.Missing, missing...), len(missing) == 0
	for _, g := range groups {
		r.Well = r.Well && g.Loads
	}
	return nil
}

// WriteText implements report.
func (r *selfReport) WriteText(w io.Writer) error {
	page := doctor.NewPage(r.width)
	page.Wrap(fmt.Sprintf("ktlstop %s on Linux %s", r.Version, r.Kernel), "")
	if r.Nothing != "" {
		page.Wrap("nothing works here: "+r.Nothing, "  ")
	}
	var rows [][]string
	for _, g := range r.Groups {
		loads := map[bool]string{true: "yes", false: "no"}[g.Loads]
		rows = append(rows, []string{g.Name, strconv.Itoa(g.Programs), loads, g.Without})
	}
	page.Table([]string{"GROUP", "PROGRAMS", "LOADS", "WITHOUT IT"}, rows)
	for _, g := range r.Groups {
		if !g.Loads {
			page.Wrap(g.Name+" does not load: "+g.Why, "  ")
		}
	}
	for _, m := range r.Missing {
		page.Wrap("this kernel lacks "+m, "  ")
	}
	if r.Well {
		page.Wrap("all of it works here", "")
	}
	_, err := io.WriteString(w, page.String())
	return err
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

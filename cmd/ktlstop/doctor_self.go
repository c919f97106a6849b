package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

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
}

// looksAtSelf loads the programs, group by group, and says how they fare.
func (o *doctorOptions) looksAtSelf(ctx context.Context, stdout io.Writer) error {
	r := selfReport{V: 1, Type: "doctor_self", Version: version, Kernel: kernelRelease(), Groups: []loader.GroupState{}, Missing: []string{}}
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
	var s strings.Builder
	fmt.Fprintf(&s, "ktlstop %s on Linux %s\n", r.Version, r.Kernel)
	if r.Nothing != "" {
		s.WriteString("nothing works here: " + r.Nothing + "\n")
	}
	t := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	if len(r.Groups) > 0 {
		fmt.Fprintln(t, "GROUP\tPROGRAMS\tLOADS\tWITHOUT IT")
	}
	for _, g := range r.Groups {
		loads := "yes"
		if !g.Loads {
			loads = "no"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", g.Name, g.Programs, loads, g.Without)
	}
	t.Flush() // a strings.Builder takes all
	for _, g := range r.Groups {
		if !g.Loads {
			fmt.Fprintf(&s, "%s does not load: %s\n", g.Name, g.Why)
		}
	}
	for _, m := range r.Missing {
		s.WriteString("this kernel lacks " + m + "\n")
	}
	if r.Well {
		s.WriteString("all of it works here\n")
	}
	_, err := io.WriteString(w, s.String())
	return err
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

package flow

import "github.com/ktlstop/ktlstop/pkg/event"

type runJSON struct {
	Host     string        `json:"host"`
	Kernel   string        `json:"kernel"`
	Version  string        `json:"version"`
	Source   string        `json:"source"`
	Filter   string        `json:"filter"`
	Tier     string        `json:"tier"`
	CPUs     int           `json:"cpus"`
	Hooks    []hookJSON    `json:"hooks"`
	Rings    []ringJSON    `json:"rings"`
	Programs []programJSON `json:"cost"`
	CostOver int64         `json:"cost_over_ns"`
	CostOf   uint64        `json:"cost_records"`
	Notes    []string      `json:"notes"`
	Hosts    []hostJSON    `json:"hosts,omitempty"`
}

type hostJSON struct {
	Name    string `json:"host"`
	Address string `json:"address"`
	Kernel  string `json:"kernel"`
	Version string `json:"version"`
	Away    bool   `json:"away"`
	Reason  string `json:"reason,omitempty"`
	Since   uint64 `json:"since_ns,omitempty"`
}

type hookJSON struct {
	Name     string `json:"name"`
	Attached bool   `json:"attached"`
	Note     string `json:"note"`
}

type ringJSON struct {
	Name string `json:"name"`
	Size uint64 `json:"size"`
	Used uint64 `json:"used"`
	Lost uint64 `json:"lost"`
}

type programJSON struct {
	Name    string `json:"program"`
	Runs    uint64 `json:"runs"`
	Nanos   uint64 `json:"run_ns"`
	Skipped uint64 `json:"skipped,omitempty"`
}

func runOf(r *Run) *runJSON {
	if r == nil {
		return nil
	}
	return &runJSON{
		Host: r.Host, Kernel: r.Kernel, Version: r.Version, Source: r.Source, Filter: r.Filter,
		Tier: r.Tier.String(), CPUs: r.CPUs,
		Hooks:    convert(r.Hooks, func(h Hook) hookJSON { return hookJSON(h) }),
		Rings:    convert(r.Rings, func(r Ring) ringJSON { return ringJSON(r) }),
		Programs: convert(r.Programs, func(p event.ProgramCost) programJSON { return programJSON(p) }),
		CostOver: int64(r.CostOver), CostOf: r.CostRecords,
		Notes: append([]string{}, r.Notes...),
		Hosts: convert(r.Hosts, func(h RunHost) hostJSON { return hostJSON(h) }),
	}
}

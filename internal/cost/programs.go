package cost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// measurePrograms lets the kernel measure how long each BPF program runs.
func measurePrograms(on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	return os.WriteFile("/proc/sys/kernel/bpf_stats_enabled", []byte(value), 0)
}

// programTime is how long the tool's BPF programs have run while the kernel
// measured them, in nanoseconds (/proc/PID/fdinfo).
func (r *running) programTime() (float64, error) {
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", r.cmd.Process.Pid))
	if err != nil || len(infos) == 0 {
		return 0, errors.Join(err, errors.New("no fdinfo of the tool"))
	}
	times := map[string]float64{} // by program: several descriptors may name one
	for _, name := range infos {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has been closed
		}
		if id, ns, ok := programInfo(string(b)); ok {
			times[id] = ns
		}
	}
	var sum float64
	for _, ns := range times {
		sum += ns
	}
	return sum, nil
}

// programInfo reads the fdinfo of a BPF program; ok is false for other files'.
func programInfo(info string) (id string, ns float64, ok bool) {
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "prog_id":
			id = value
		case "run_time_ns":
			n, err := strconv.ParseFloat(value, 64)
			ns, ok = n, err == nil
		}
	}
	return id, ns, ok && id != ""
}

package bench

import (
	"bufio"
	"os"
	"runtime"
	"strings"
)

// Machine describes the measured machine.
type Machine struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
	Arch   string `json:"arch"`
}

// thisMachine leaves unknown fields empty.
func thisMachine() Machine {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return Machine{Kernel: strings.TrimSpace(string(release)), CPU: cpuModel(), CPUs: runtime.NumCPU(), Go: runtime.Version(), Arch: runtime.GOARCH}
}

// cpuModel is the first "model name" of /proc/cpuinfo.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if name, value, ok := strings.Cut(sc.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

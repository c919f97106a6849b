//go:build gobpf

package module

import (
	"fmt"
	"os"
	"strings"
)

const kprobeEvents = "/sys/kernel/debug/tracing/kprobe_events"

// ClearEvents removes the probes that a killed run has left and that are to be attached
// now. gobpf names an event after its function.
func ClearEvents(sections []string) error {
	b, err := os.ReadFile(kprobeEvents)
	if err != nil {
		return &Unsupported{What: "no access to the kernel's probes (" + kprobeEvents + ")",
			Hint: "mount -t debugfs none /sys/kernel/debug", Err: err}
	}
	left := string(b)
	for _, s := range sections {
		event := eventName(s)
		if !strings.Contains(left, ":kprobes/"+event+" ") {
			continue
		}
		if err := removeEvent(event); err != nil {
			return &Unsupported{What: fmt.Sprintf("the probe %s is in use", event),
				Hint: "end the other tracer that runs with the gobpf backend: there can be one at a time", Err: err}
		}
	}
	return nil
}

func removeEvent(event string) error {
	f, err := os.OpenFile(kprobeEvents, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("-:" + event + "\n")
	return err
}

// eventName is the name that gobpf gives to a section's event.
func eventName(section string) string {
	kind, function, _ := strings.Cut(section, "/")
	if kind == "kretprobe" {
		return "r" + function
	}
	return "p" + function
}

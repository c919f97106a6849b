package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Init must be the first call of main: in the guest, where this program is the first process, it takes over and
// does not return.
func Init() {
	if os.Getpid() != 1 || os.Args[0] != "/init" {
		return
	}
	if err := agent(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err) // to the console
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

// agent sets the guest up and then runs the host's commands until the host goes away.
func agent() error {
	if err := mountEarly(); err != nil {
		return err
	}
	if err := insertModules("/boot"); err != nil {
		return err
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	l := &link{rw: port}
	if err := setUpGuest(l); err != nil {
		l.send(kindFailed, []byte(err.Error()))
		return err
	}
	if err := l.send(kindReady, nil); err != nil {
		return err
	}
	return serve(l)
}

func setUpGuest(l *link) error {
	k, payload, err := l.receive()
	if err != nil {
		return fmt.Errorf("wait for the setup: %w", err)
	}
	var s setup
	if err := json.Unmarshal(payload, &s); err != nil || k != kindSetup {
		return fmt.Errorf("first frame is %q, not a setup: %v", k, err)
	}
	loaded := make(chan error, 1)
	go func() { // takes as long as the mounts do, and there is a second CPU
		if !s.Late {
			loaded <- nil
			return
		}
		loaded <- insertModules("/late")
	}()
	mountErr := mountRoot(s)
	if err := <-loaded; err != nil { // before the root is switched: the modules are in the old one
		return err
	}
	if mountErr != nil {
		return mountErr
	}
	if err := switchRoot(); err != nil {
		return err
	}
	return configure()
}

// insertModules loads the modules in dir in the order of their names. It continues if a module
// finds no device or has a built-in twin.
func insertModules(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		f, err := os.Open(filepath.Join(dir, file.Name()))
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && err != unix.EEXIST && err != unix.ENODEV {
			fmt.Fprintf(os.Stderr, "init: load %s: %v\n", file.Name()[4:], err)
		}
	}
	return nil
}

// openPort opens the virtio-serial port to the host. The driver announces the port a moment after
// it was loaded.
func openPort() (io.ReadWriter, error) {
	for range 2000 {
		ports, _ := filepath.Glob("/dev/vport*")
		for _, path := range ports {
			fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err == nil {
				return &port{os.NewFile(uintptr(fd), path)}, nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil, fmt.Errorf("no virtio-serial port")
}

// A port returns nothing instead of waiting until the driver has learned that the host's end is
// open.
type port struct{ f *os.File }

func (p *port) Read(b []byte) (int, error) {
	for range 2000 {
		if n, err := p.f.Read(b); err != io.EOF {
			return n, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, io.EOF
}

func (p *port) Write(b []byte) (int, error) { return p.f.Write(b) }

// serve reads the host's frames and passes them to the one command that runs at a time.
func serve(l *link) error {
	var current *process
	for {
		k, payload, err := l.receive()
		if err != nil {
			return err
		}
		switch {
		case k == kindExec:
			current, err = launch(l, payload)
		case current != nil:
			err = current.handle(k, payload)
		}
		if err != nil {
			return err
		}
	}
}

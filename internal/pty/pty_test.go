package pty

import (
	"bufio"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpen(t *testing.T) {
	master, terminal, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer terminal.Close()
	if err := Resize(master, 132, 43); err != nil {
		t.Fatal(err)
	}
	size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col != 132 || size.Row != 43 {
		t.Errorf("the terminal has %+v, %v", size, err)
	}
	if _, err := terminal.WriteString("seen\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(master).ReadString('\n'); err != nil || line != "seen\r\n" {
		t.Errorf("the master reads %q, %v", line, err)
	}
}

package main

import "github.com/spf13/cobra"

// linuxCommands are those that other systems have not.
func linuxCommands() []*cobra.Command {
	return []*cobra.Command{newTap(), newDoctor(), newServe(), newGen(), newBench(), newDemo()}
}

"""Sub-commands of `tinyanime`, one file each."""

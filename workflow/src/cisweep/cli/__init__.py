"""The command `cisweep`: set up, check and run the workflow, and show what it found."""

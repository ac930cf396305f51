"""What can be typed, nothing of what is done: options that several commands have in `shared`, and a class for all
options of a command, whose fields say their help. Loads nothing heavy, so that --help is quick."""

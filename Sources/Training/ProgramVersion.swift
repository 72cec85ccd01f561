/// The version of this program, as `--version` prints it and checkpoints store it.
public let programVersion = "0.1.0"

"""What the daemon decides and remembers, without tasks, files, network and clocks of its own: values in, values out."""

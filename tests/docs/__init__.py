"""The documentation: what its pages show is true."""

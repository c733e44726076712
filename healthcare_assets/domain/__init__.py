"""The field's own logic. Frames in, frames out; numbers in, a verdict out. No I/O, no clock, no environment."""

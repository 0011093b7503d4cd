"""What the vectors say, with statistics: arrays in, numbers and a report out."""

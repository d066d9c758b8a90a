"""What compliance asks of the log: search, evidence, reviews, recall, export, figures, holds and erasure."""

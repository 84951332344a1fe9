"""The single writer: commands are decided in batches, made durable, and published; and its clock is judged."""

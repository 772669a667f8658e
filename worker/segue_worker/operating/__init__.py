"""What a person does to the store: replay, drop, forget, retry now, send now."""
